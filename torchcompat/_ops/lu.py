"""LU factors with row exchanges: made, taken apart, and systems solved by them.

Packed factors hold `U` on and above the diagonal and `L`, whose diagonal is 1, below it. `pivots[i]`
(from 1) is the row that was exchanged with row `i`.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._checks import known
from torchcompat._ops._errors import not_implemented, scalar
from torchcompat._ops._pointwise import is_integral
from torchcompat._ops._registry import Array, op
from torchcompat._ops.linalg import aligned, is_vector, matrices

_KINDS = ("float32", "float64", "complex64", "complex128")
Packed = tuple[Array, Array, Array]


def _factored(name: str, A: Array, pivot: bool) -> Packed:
    """The packed factors, the pivots, and the first zero on the diagonal of `U` (from 1) or 0."""
    if A.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead"
        )
    if A.dtype.name not in _KINDS:
        raise not_implemented("lu_cpu", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    if 0 in A.shape[-2:]:
        short = min(A.shape[-2:])
        none = jnp.zeros((*A.shape[:-2], short), np.int32)
        return A, none, jnp.zeros(A.shape[:-2], np.int32)
    packed, pivots, _ = lax.linalg.lu(A)
    return packed, pivots + 1, first_zero(packed)


def first_zero(packed: Array) -> Array:
    """Where the diagonal first is zero (from 1), or 0."""
    zeros = jnp.diagonal(packed, axis1=-2, axis2=-1) == 0
    if not zeros.shape[-1]:
        return jnp.zeros(zeros.shape[:-1], np.int32)
    # Not argmax: of 64-bit places it cannot be lowered inside of a 32-bit `jit` (JAX 0.10.2).
    before = jnp.sum(jnp.cumprod(~zeros, -1, dtype=np.int32), -1)
    return jnp.where(jnp.any(zeros, -1), before + 1, 0).astype(np.int32)


@op("linalg", returns="LU pivots info")
def linalg_lu_factor_ex(A: Array, *, pivot: bool = True, check_errors: bool = False) -> Packed:
    """Packed LU factors, pivots, and the place of the first zero pivot (from 1) or 0."""
    return _factored("torch.lu_factor_ex", A, pivot)


@op("linalg", returns="LU pivots")
def linalg_lu_factor(A: Array, *, pivot: bool = True) -> tuple[Array, Array]:
    """Packed LU factors and pivots."""
    return _factored("torch.lu_factor", A, pivot)[:2]


@op("torch", returns="LU pivots info")
def _lu_with_info(input: Array, pivot: bool = True, check_errors: bool = True) -> Packed:
    """`linalg.lu_factor_ex` under the name that `torch.lu` uses."""
    return _factored("torch.lu_factor", input, pivot)


@op("linalg", returns="P L U")
def linalg_lu(A: Array, *, pivot: bool = True) -> Packed:
    """A permutation `P`, a lower `L` and an upper triangular `U` with `P L U = A`."""
    matrices("linalg.lu", A)
    packed, pivots, _ = _factored("linalg.lu", A, pivot)
    return _places(pivots, A), *_halves(packed)


def _halves(packed: Array) -> tuple[jax.Array, jax.Array]:
    rows, columns = packed.shape[-2:]
    short = min(rows, columns)
    lower = jnp.tril(packed[..., :short], -1) + jnp.eye(rows, short, dtype=packed.dtype)
    return lower, jnp.triu(packed[..., :short, :])


def _order(pivots: Array, rows: int) -> jax.Array:
    """The rows in the order that the exchanges leave them in."""
    if not pivots.size:
        return jnp.broadcast_to(jnp.arange(rows, dtype=np.int32), (*pivots.shape[:-1], rows))
    return lax.linalg.lu_pivots_to_permutation(pivots - 1, rows)


def _places(pivots: Array, like: Array) -> jax.Array:
    rows = like.shape[-2]
    return jnp.eye(rows, dtype=like.dtype)[_order(pivots, rows)].swapaxes(-1, -2)


@op("torch", returns="P L U")
def lu_unpack(
    LU_data: Array, LU_pivots: Array, unpack_data: bool = True, unpack_pivots: bool = True
) -> Packed:
    """`P`, `L` and `U` of packed factors; what is not asked for comes empty."""
    if unpack_pivots and LU_pivots.dtype.name != "int32":
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            "dtype.\nNote: this function is intended to be used with the output produced by "
            "torch.linalg.lu_factor"
        )
    none = jnp.zeros(0, LU_data.dtype)
    lower, upper = _halves(LU_data) if unpack_data else (none, none)
    return _places(LU_pivots, LU_data) if unpack_pivots else none, lower, upper


def _check_pivots(LU: Array, pivots: Array, *rest: Any) -> None:
    values = known(pivots)
    if values is None or not values.size:
        return
    for complaint, wrong in (
        ("greater or equal to 1", values.min() < 1),
        ("smaller or equal to LU.size(-2)", values.max() > LU.shape[-2]),
    ):
        if wrong:
            raise RuntimeError(
                f"Pivots given to lu_solve must all be {complaint}. "
                "Did you properly pass the result of lu_factor?"
            )


def _check_solve(LU: Array, pivots: Array, B: Array, left: bool) -> None:
    name = "linalg.lu_solve"
    if is_integral(LU):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {scalar(LU)}"
        )
    if LU.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected LU and B to have the same dtype, but found LU of type {scalar(LU)} "
            f"and B of type {scalar(B)} instead"
        )
    if pivots.dtype.name != "int32":
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    matrices(name, LU, square=True)
    check_right(name, LU, B, left)
    if LU.shape[-1] != pivots.shape[-1]:
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix"
        )
    if LU.shape[:-1] != pivots.shape:
        raise RuntimeError(
            f"{name}: Expected LU.shape[:-1] and pivots.shape to be the same, "
            f"but got pivots with shape {list(pivots.shape)} instead"
        )


def check_right(name: str, a: Array, b: Array, left: bool) -> None:
    """Raises torch's error unless `b` is a right-hand side of systems in `a`."""
    if b.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor B must have at least 2 dimensions.")
    if b.shape[-2 if left else -1] != a.shape[-1]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
        )


@op("linalg", verify=_check_pivots)
def linalg_lu_solve(
    LU: Array, pivots: Array, B: Array, *, left: bool = True, adjoint: bool = False
) -> Array:
    """`X` with `A X = B`, or `X A = B` where `left` is false, given the packed factors of `A`.

    Args:
        adjoint: solve for the conjugate transpose of `A`.
    """
    _check_solve(LU, pivots, B, left)
    right = B if left else jnp.conj(B.swapaxes(-1, -2))
    factors, right = aligned(LU, right)
    order = jnp.broadcast_to(_order(pivots, LU.shape[-1]), factors.shape[:-1])
    found = _solved(factors, order, right, adjoint is left)
    return found if left else jnp.conj(found.swapaxes(-1, -2))


def _solved(packed: jax.Array, order: jax.Array, b: jax.Array, adjoint: bool) -> jax.Array:
    def by(half: jax.Array, side: jax.Array, lower: bool) -> jax.Array:
        return lax.linalg.triangular_solve(
            half,
            side,
            left_side=True,
            lower=lower,
            unit_diagonal=lower,
            transpose_a=adjoint,
            conjugate_a=adjoint,
        )

    if not b.size:
        return b
    if adjoint:
        moved = by(packed, by(packed, b, False), True)
        return jnp.take_along_axis(moved, jnp.argsort(order, axis=-1)[..., None], axis=-2)
    moved = jnp.take_along_axis(b, order[..., None], axis=-2)
    return by(packed, by(packed, moved, True), False)


@op("torch", "method")
def lu_solve(input: Array, LU_data: Array, LU_pivots: Array) -> Array:
    """`linalg.lu_solve` with the right-hand side first."""
    return linalg_lu_solve(LU_data, LU_pivots, input)


@op("linalg", returns="result info")
def linalg_solve_ex(
    A: Array, B: Array, *, left: bool = True, check_errors: bool = False
) -> tuple[Array, Array]:
    """`X` with `A X = B` (or `X A = B`), and the place of the first zero pivot (from 1) or 0."""
    return _solved_system("linalg.solve", A, B, left)


@op("linalg")
def linalg_solve(A: Array, B: Array, *, left: bool = True) -> Array:
    """`X` with `A X = B`, or `X A = B` where `left` is false."""
    return _solved_system("linalg.solve", A, B, left)[0]


def _solved_system(name: str, A: Array, B: Array, left: bool) -> tuple[Array, Array]:
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {scalar(A)} "
            f"and B of type {scalar(B)} instead"
        )
    matrices(name, A, square=True)
    vector = is_vector(A, B)
    if vector and not left:
        raise RuntimeError(
            f"{name}: Vector broadcasting of the left hand side is not supported for left=False. "
            "In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    right = B[..., None] if vector else B
    check_right(name, A, right, left)
    packed, pivots, info = _factored(name, A, True)
    found = linalg_lu_solve(packed, pivots, right, left=left)
    return found[..., 0] if vector else found, info


@op("linalg", returns="inverse info")
def linalg_inv_ex(A: Array, *, check_errors: bool = False) -> tuple[Array, Array]:
    """The inverse of each matrix, and the place of the first zero pivot (from 1) or 0."""
    matrices("linalg.inv", A, square=True)
    packed, pivots, info = _factored("linalg.inv", A, True)
    eye = jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape)
    return linalg_lu_solve(packed, pivots, eye), info
