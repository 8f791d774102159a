"""`L D L^T` factors of symmetric and Hermitian matrices, with blocks of 1 and 2 in `D`.

Pivots are LAPACK's: `p > 0` says that row `k` was exchanged with row `p`; two equal ones below zero
that a block of 2 begins at `k` and row `k + 1` was exchanged with row `-p` (all counted from 1).

Source: Bunch and Kaufman, "Some stable methods for calculating inertia and solving symmetric linear
systems", 1977.
"""

from __future__ import annotations

import functools
import math

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._errors import scalar
from torchcompat._ops._pointwise import is_integral
from torchcompat._ops._registry import Array, op
from torchcompat._ops.linalg import aligned, matrices
from torchcompat._ops.products import product

_ALPHA = (1 + math.sqrt(17)) / 8
Factors = tuple[Array, Array, Array]


@op("linalg", returns="LD pivots info", differentiable=False)
def linalg_ldl_factor_ex(
    A: Array, *, hermitian: bool = False, check_errors: bool = False
) -> Factors:
    """`L` below `D` in one matrix, the pivots, and the first zero in `D` (from 1) or 0.

    The lower half of `A` is read.
    """
    return _factored("torch.linalg.ldl_factor_ex", A, hermitian)


@op("linalg", returns="LD pivots", differentiable=False)
def linalg_ldl_factor(A: Array, *, hermitian: bool = False) -> tuple[Array, Array]:
    """`L` below `D` in one matrix, and the pivots."""
    return _factored("torch.linalg.ldl_factor_ex", A, hermitian)[:2]


def _factored(name: str, A: Array, hermitian: bool) -> Factors:
    matrices(name, A, square=True)
    n = A.shape[-1]
    if not A.size:
        return A, jnp.zeros(A.shape[:-1], np.int32), jnp.zeros(A.shape[:-2], np.int32)
    flat = A.reshape(-1, n, n)
    packed, pivots, info = jax.vmap(functools.partial(_factor, hermitian=hermitian))(flat)
    return packed.reshape(A.shape), pivots.reshape(A.shape[:-1]), info.reshape(A.shape[:-2])


def _turned(x: jax.Array, hermitian: bool) -> jax.Array:
    return jnp.conj(x.swapaxes(-1, -2)) if hermitian else x.swapaxes(-1, -2)


def _size(x: jax.Array) -> jax.Array:
    return jnp.abs(x.real) + jnp.abs(x.imag) if jnp.iscomplexobj(x) else jnp.abs(x)


def _factor(A: jax.Array, hermitian: bool) -> Factors:
    """One matrix: what is left to factor, the columns that are done, the pivots, the first zero."""
    n = A.shape[-1]
    half = jnp.tril(A, -1)
    diagonal = jnp.diagonal(A)
    whole = (
        half
        + _turned(half, hermitian)
        + jnp.diag(diagonal.real + 0 * diagonal if hermitian else diagonal)
    )
    start = (0, whole, jnp.zeros_like(A), jnp.zeros(n, np.int32), jnp.zeros((), np.int32))
    step = functools.partial(_eliminated, hermitian=hermitian)
    return lax.while_loop(lambda state: state[0] < n, step, start)[2:]


def _chosen(left: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The row to exchange, whether the block is of 2, and whether the column is zero."""
    place = jnp.arange(left.shape[-1])
    column = jnp.where(place > k, _size(left[:, k]), 0)
    other = jnp.argmax(column)
    largest, here = column[other], _size(left[k, k])
    row = jnp.max(jnp.where((place >= k) & (place != other), _size(left[:, other]), 0))
    stay = (here >= _ALPHA * largest) | (here * row >= _ALPHA * largest * largest)
    two = ~stay & (_size(left[other, other]) < _ALPHA * row)
    return jnp.where(stay, k, other), two, jnp.maximum(here, largest) == 0


def _eliminated(state: tuple, hermitian: bool) -> tuple:
    k, left, done, pivots, info = state
    n = left.shape[-1]
    place = jnp.arange(n)
    row, two, zero = _chosen(left, k)
    second = jnp.minimum(k + 1, n - 1)
    moved = jnp.where(two, second, k)
    order = place.at[moved].set(row).at[row].set(moved)
    left = left[order][:, order]
    block = jnp.stack([left[:, k], left[:, second]], -1)
    middle = jnp.stack([block[k], block[second]])
    apart = jnp.array([[True, False], [False, False]])
    middle = jnp.where(two, middle, jnp.where(apart, middle, jnp.eye(2, dtype=left.dtype)))
    middle = jnp.where(zero, jnp.eye(2, dtype=left.dtype), middle)
    below = jnp.where((place > moved)[:, None] & jnp.stack([~zero, two]), block, 0)
    lower = _by_inverse(below, middle)
    fresh = left - product(lower, _turned(below, hermitian))
    kept = jnp.where(zero, block, lower)
    kept = jnp.where((place == k)[:, None] | (two & (place == second))[:, None], block, kept)
    done = jnp.where(place[None, :] == k, kept[:, :1], done)
    done = jnp.where(two & (place[None, :] == second), kept[:, 1:], done)
    mark = jnp.where(two, -(row + 1), row + 1).astype(np.int32)
    pivots = pivots.at[k].set(mark)
    pivots = jnp.where(two & (place == second), mark, pivots)
    info = jnp.where((info == 0) & zero, k + 1, info).astype(np.int32)
    return k + 1 + two, fresh, jnp.tril(done), pivots, info


def _by_inverse(x: jax.Array, m: jax.Array) -> jax.Array:
    """`x` times the inverse of the 2 by 2 matrix `m`."""
    determinant = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    adjugate = jnp.stack([jnp.stack([m[1, 1], -m[0, 1]]), jnp.stack([-m[1, 0], m[0, 0]])])
    return product(x, adjugate) / determinant


def _check(LD: Array, pivots: Array, B: Array) -> None:
    name = "torch.linalg.ldl_solve"
    if LD.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected LD to have at least 2 dimensions, but it has {LD.ndim} dimensions "
            "instead"
        )
    if B.ndim < 2:
        low = f"[-{max(B.ndim, 1)}, {max(B.ndim, 1) - 1}]"
        raise IndexError(f"Dimension out of range (expected to be in range of {low}, but got -2)")
    matrices(name, LD, square=True)
    if LD.shape[-2] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {LD.shape[-1]} by "
            f"{LD.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    if LD.dtype != B.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {scalar(B)} and A of "
            f"type {scalar(LD)} instead."
        )
    if not is_integral(pivots) or pivots.dtype == np.bool_:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {scalar(pivots)}")
    if pivots.shape != LD.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {list(pivots.shape)} instead"
        )


@op("linalg")
def linalg_ldl_solve(LD: Array, pivots: Array, B: Array, *, hermitian: bool = False) -> Array:
    """`X` with `A X = B`, given the factors of `A`."""
    _check(LD, pivots, B)
    factors, right = aligned(LD, B)
    n = LD.shape[-1]
    if not right.size:
        return right
    marks = jnp.broadcast_to(pivots, factors.shape[:-1])
    taken = jax.vmap(functools.partial(_apart, hermitian=hermitian))
    inverse, middle = taken(lax.stop_gradient(factors).reshape(-1, n, n), marks.reshape(-1, n))
    inverse, middle = inverse.reshape(factors.shape), middle.reshape(factors.shape)
    inner = jnp.linalg.solve(middle, product(inverse, right).astype(right.dtype))
    return product(_turned(inverse, hermitian), inner).astype(right.dtype)


def _apart(LD: jax.Array, pivots: jax.Array, hermitian: bool) -> tuple[jax.Array, jax.Array]:
    """The inverse of `L` with its exchanges, and `D`, of one matrix."""
    n = LD.shape[-1]
    place = jnp.arange(n)

    def step(state: tuple, k: jax.Array) -> tuple:
        inverse, inside = state
        mark = pivots[k]
        first = (mark < 0) & ~inside
        second = jnp.minimum(k + 1, n - 1)
        moved = jnp.where(first, second, k)
        row = jnp.where(inside, k, jnp.abs(mark) - 1)
        inverse = inverse[place.at[moved].set(row).at[row].set(moved)]
        here = jnp.where((place > moved) & ~inside, LD[:, k], 0)
        there = jnp.where((place > moved) & first, LD[:, second], 0)
        inverse = inverse - here[:, None] * inverse[k] - there[:, None] * inverse[second]
        return (inverse, first), first

    start = jnp.eye(n, dtype=LD.dtype), jnp.zeros((), bool)
    (inverse, _), firsts = lax.scan(step, start, place)  # type: ignore[var-annotated]
    beside = jnp.where(firsts[:-1], jnp.diagonal(LD, -1), 0)
    beyond = jnp.conj(beside) if hermitian else beside
    return inverse, jnp.diag(jnp.diagonal(LD)) + jnp.diag(beside, -1) + jnp.diag(beyond, 1)
