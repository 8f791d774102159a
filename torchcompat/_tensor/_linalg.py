"""Linear algebra over the ops: Einstein sums, and the errors that only results can tell."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor, as_array

__all__ = ["chain_matmul", "cholesky", "einsum", "inverse"]


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


def _on_host(x: Any) -> np.ndarray | None:
    """The values of a tensor, or None where they are not known (tracing, `meta`)."""
    value = as_array(x)
    if isinstance(value, (jax.core.Tracer, jax.ShapeDtypeStruct)):
        return None
    return np.asarray(value)


def _checked(plain: Callable, explain: Callable[[np.ndarray], str | None]) -> Callable:
    """`plain`, raising what `explain` finds in the input where the result is not finite.

    The input is looked at only after the result has shown that something is wrong.
    """

    @functools.wraps(plain)
    def function(A: Any, *args: Any, **kwargs: Any) -> Any:
        result = plain(A, *args, **kwargs)
        found = _on_host(result)
        if found is None or np.isfinite(found).all():
            return result
        message = explain(np.asarray(as_array(A)))
        if message is not None:
            raise LinAlgError(message)
        return result

    return function


def _each(matrices: np.ndarray) -> Any:
    """`(text, matrix)` for each of a stack of matrices; the text names its place in the batch."""
    flat = matrices.reshape(-1, *matrices.shape[-2:])
    for place, matrix in enumerate(flat):
        yield ("" if matrices.ndim == 2 else f"(Batch element {place}): "), matrix


def _zero_pivot(matrix: np.ndarray) -> int | None:
    """The first pivot (from 1) that elimination with row exchanges finds to be zero."""
    work = matrix.copy()
    for k in range(len(work)):
        row = k + int(np.argmax(np.abs(work[k:, k])))
        if work[row, k] == 0:
            return k + 1
        work[[k, row]] = work[[row, k]]
        work[k + 1 :] -= np.outer(work[k + 1 :, k] / work[k, k], work[k])
    return None


def _singular(matrices: np.ndarray) -> str | None:
    for place, matrix in _each(matrices):
        pivot = _zero_pivot(matrix)
        if pivot is not None:
            return (
                f"linalg.inv: {place}The diagonal element {pivot} is zero, the inversion could not "
                "be completed because the input matrix is singular."
            )
    return None


def _unsolvable(matrices: np.ndarray) -> str | None:
    for place, matrix in _each(matrices):
        if _zero_pivot(matrix) is not None:
            text = "The solver failed because the input matrix is singular."
            return f"torch.linalg.solve: {place}{text}"
    return None


def _minor(matrix: np.ndarray) -> int | None:
    """The order of the first leading minor that is not positive."""
    for order in range(1, len(matrix) + 1):
        try:
            np.linalg.cholesky(matrix[:order, :order])
        except np.linalg.LinAlgError:
            return order
    return None


def _indefinite(name: str, matrices: np.ndarray) -> str | None:
    for place, matrix in _each(matrices):
        order = _minor(matrix)
        if order is not None:
            return (
                f"{name}: {place}The factorization could not be completed because the input is "
                f"not positive-definite (the leading minor of order {order} is not "
                "positive-definite)."
            )
    return None


inverse = _checked(ops.inverse, _singular)
cholesky = _checked(ops.cholesky, functools.partial(_indefinite, "cholesky"))
Tensor.inverse, Tensor.cholesky = inverse, cholesky
# Of `torch.linalg`, whose names take precedence over the generated ones.
LINALG = {
    "LinAlgError": LinAlgError,
    "cholesky": _checked(ops.linalg_cholesky, functools.partial(_indefinite, "linalg.cholesky")),
    "inv": _checked(ops.linalg_inv, _singular),
    "solve": _checked(ops.linalg_solve, _unsolvable),
}
