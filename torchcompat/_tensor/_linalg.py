"""Linear algebra over the ops: Einstein sums, and the errors that only results can tell."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._faces import into
from torchcompat._tensor._tensor import Tensor, as_array

__all__ = ["chain_matmul", "cholesky", "einsum", "inverse", "lu"]


def einsum(*args: Any) -> Any:
    """The sums of products that an equation names: `einsum("ij,jk->ik", a, b)`.

    The form `einsum(a, [0, 1], b, [1, 2], [0, 2])` numbers the dimensions instead.
    """
    if isinstance(args[0], str):
        equation, operands = args[0], args[1:]
    else:
        equation, operands = _from_sublists(args)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError("einsum(): must provide at least one operand")
    return ops._einsum(equation, tuple(operands))


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _term(sublist: Any) -> str:
    return "".join("..." if n is Ellipsis else _LETTERS[n] for n in sublist)


def _from_sublists(args: tuple) -> tuple[str, tuple]:
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    terms = ",".join(_term(sublist) for sublist in args[1::2])
    tail = f"->{_term(args[-1])}" if len(args) % 2 else ""
    return terms + tail, args[: len(args) // 2 * 2 : 2]


@lifted
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of matrices, in the cheapest order."""
    if len(matrices) == 1:
        return matrices[0]
    return ops.linalg_multi_dot(matrices, out=out)


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive-definite."""


# -- what only results can tell -------------------------------------------------------------------

_NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order {0} is not positive-definite)."
)
_ZERO_IN_U = (
    "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. If you still "
    "want to perform the factorization, consider calling linalg.lu(A, pivot) or "
    "linalg.lu_factor_ex(A, pivot)"
)
_NO_INVERSE = (
    "The diagonal element {0} is zero, the inversion could not be completed because the input "
    "matrix is singular."
)
_NO_SOLUTION = "The solver failed because the input matrix is singular."


def _on_host(x: Any) -> np.ndarray | None:
    """The values of a tensor, or None where they are not known (tracing, `meta`)."""
    value = as_array(x)
    if isinstance(value, (jax.core.Tracer, jax.ShapeDtypeStruct)):
        return None
    return np.asarray(value)


def _refuse(name: str, text: str, info: Any, error: type = LinAlgError) -> None:
    """Raises `error` for the first matrix of a batch whose `info` is not zero."""
    found = _on_host(info)
    if found is None or not found.any():
        return
    place = int(np.flatnonzero(found.reshape(-1))[0])
    where = f"(Batch element {place}): " if found.ndim else ""
    raise error(f"{name}: {where}{text.format(int(found.reshape(-1)[place]))}")


def _checked(plain: Callable, name: str, text: str, informed: Callable) -> Callable:
    """`plain`, raising what `informed` tells of its input where the result is not finite."""

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        found = _on_host(result)
        if found is not None and not np.isfinite(found).all():
            given = {**dict(zip(("A", "B"), args)), **kwargs}
            used = {key: given[key] for key in given if key in ("A", "B", "left")}
            if "input" in kwargs:
                used["A"] = kwargs["input"]
            _refuse(name, text, informed(**_detached(used)).info)
        return result

    return function


def _detached(values: dict[str, Any]) -> dict[str, Any]:
    return {key: x.detach() if isinstance(x, Tensor) else x for key, x in values.items()}


def _on_request(plain: Callable, name: str, text: str, error: type = LinAlgError) -> Callable:
    """`plain`, whose `check_errors=True` raises what its `info` says."""

    @functools.wraps(plain)
    def function(*args: Any, check_errors: bool = False, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        if check_errors:
            _refuse(name, text, result.info, error)
        return result

    return function


def _always(plain: Callable, name: str, text: str, places: Callable) -> Callable:
    """`plain`, raising where `places` finds something in its result."""

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        arrays = [_on_host(x) for x in result]
        if all(x is not None for x in arrays):
            _refuse(name, text, places(*arrays), RuntimeError)
        return result

    return function


def _zero_of(packed: np.ndarray, pivots: np.ndarray) -> np.ndarray:
    """The first zero on the diagonal that no block of 2 covers (from 1), or 0."""
    size = pivots.shape[-1]
    zeros = (np.diagonal(packed, axis1=-2, axis2=-1) == 0) & (pivots > 0)
    if not size:
        return np.zeros(zeros.shape[:-1], np.int32)
    return np.where(zeros.any(-1), zeros.argmax(-1) + 1, 0)


inverse = _checked(ops.inverse, "linalg.inv", _NO_INVERSE, ops.linalg_inv_ex)
cholesky = _checked(ops.cholesky, "cholesky", _NOT_POSITIVE, ops.linalg_cholesky_ex)
Tensor.inverse, Tensor.cholesky = inverse, cholesky
_inv = _checked(ops.linalg_inv, "linalg.inv", _NO_INVERSE, ops.linalg_inv_ex)
_solve = _checked(ops.linalg_solve, "torch.linalg.solve", _NO_SOLUTION, ops.linalg_solve_ex)
_lu_factor = _always(ops.linalg_lu_factor, "torch.linalg.lu_factor", _ZERO_IN_U, _zero_of)


# -- tensors as matrices --------------------------------------------------------------------------


def _square(name: str, rows: int, columns: int) -> None:
    if rows != columns:
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[{name}:]) == "
            f"prod(self.shape[:{name}]), but got {columns} != {rows}"
        )


@lifted
def tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:
    """The inverse of a tensor as a map from its last dimensions to its first `ind` ones."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    size = tuple(A.shape)
    _square("ind", math.prod(size[:ind]), math.prod(size[ind:]))
    flat = A.reshape(math.prod(size[:ind]), math.prod(size[ind:]))
    found = _inv(flat).reshape(*size[ind:], *size[:ind])
    return found if out is None else into(out, found)


@lifted
def tensorsolve(A: Any, B: Any, dims: Any = None, *, out: Any = None) -> Any:
    """`X` with `tensordot(A, X, X.ndim) = B`.

    Args:
        dims: dimensions of `A` to move behind the others first.
    """
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    size = tuple(A.shape)
    _square("other.ndim", B.numel(), math.prod(size[B.ndim :]))
    found = _solve(A.reshape(B.numel(), -1), B.flatten()).reshape(size[B.ndim :])
    return found if out is None else into(out, found)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonals of the matrices, as a view."""
    return ops.diagonal(A, offset, dim1, dim2)


# -- older names ----------------------------------------------------------------------------------


def lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """Packed LU factors and pivots.

    Args:
        get_infos: also where the first zero pivot is, per matrix.
    """
    warnings.warn(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex "
        "and will be removed in a future PyTorch release.",
        stacklevel=2,
    )
    result = ops._lu_with_info(A, pivot)
    result = result if get_infos else tuple(result[:2])
    return result if out is None else into(out, result)


Tensor.lu = lu
# Of `torch.linalg`, whose names take precedence over the generated ones.
LINALG: dict[str, Any] = {
    "LinAlgError": LinAlgError,
    "cholesky": _checked(
        ops.linalg_cholesky, "linalg.cholesky", _NOT_POSITIVE, ops.linalg_cholesky_ex
    ),
    "cholesky_ex": _on_request(ops.linalg_cholesky_ex, "linalg.cholesky_ex", _NOT_POSITIVE),
    "diagonal": diagonal,
    "inv": _inv,
    "inv_ex": _on_request(ops.linalg_inv_ex, "linalg.inv_ex", _NO_INVERSE),
    "ldl_factor": _always(
        ops.linalg_ldl_factor, "torch.linalg.ldl_factor", "Unknown error code: {0}.", _zero_of
    ),
    "ldl_factor_ex": _on_request(
        ops.linalg_ldl_factor_ex,
        "torch.linalg.ldl_factor_ex",
        "Unknown error code: {0}.",
        RuntimeError,
    ),
    "lu_factor": _lu_factor,
    "lu_factor_ex": _on_request(
        ops.linalg_lu_factor_ex, "torch.linalg.lu_factor_ex", _ZERO_IN_U, RuntimeError
    ),
    "solve": _solve,
    "solve_ex": _on_request(ops.linalg_solve_ex, "torch.linalg.solve_ex", _NO_SOLUTION),
    "tensorinv": tensorinv,
    "tensorsolve": tensorsolve,
}
