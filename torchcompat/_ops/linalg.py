"""Solving, inverting and factoring matrices. A singular matrix gives NaN or inf under tracing."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import dtype_of, promote, wide, wrap_dim
from torchcompat._ops._errors import scalar
from torchcompat._ops._pointwise import check_broadcast, is_integral, register
from torchcompat._ops._registry import Array, op
from torchcompat._ops.products import product


def matrices(name: str, x: Array, *, square: bool = False) -> None:
    """Raises torch's error unless `x` holds (square) matrices of a floating or complex type."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, "
            f"but they are {x.shape[-2]} by {x.shape[-1]} matrices"
        )
    if is_integral(x):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {scalar(x)}"
        )


def _both(name: str, compute: Callable, doc: str, **row: object) -> None:
    """The same computation as `torch.<name>` (argument `input`) and `torch.linalg.<name>` (`A`)."""

    def old(input: Array) -> Array:
        return compute(f"linalg.{name}", input)

    def new(A: Array) -> Array:
        return compute(f"linalg.{name}", A)

    register(old, name, doc, ("torch", "method"), **row)
    register(new, f"linalg_{name}", doc, ("linalg",), **row)


def _inv(name: str, x: Array) -> jax.Array:
    matrices(name, x, square=True)
    return jnp.linalg.inv(x)


def _det(name: str, x: Array) -> jax.Array:
    matrices(name, x, square=True)
    return jnp.linalg.det(x) if x.size else jnp.ones(x.shape[:-2], x.dtype)


def _slogdet(name: str, x: Array) -> tuple[jax.Array, jax.Array]:
    matrices(name, x, square=True)
    return tuple(jnp.linalg.slogdet(x))  # type: ignore[return-value]


_both("det", _det, "The determinant.")
_both(
    "slogdet",
    _slogdet,
    "The sign of the determinant and the logarithm of its magnitude.",
    returns="sign logabsdet",
)


@op("torch", "method")
def inverse(input: Array) -> Array:
    """The inverse of each matrix."""
    return _inv("linalg.inv", input)


@op("linalg")
def linalg_inv(A: Array) -> Array:
    """The inverse of each matrix."""
    return _inv("linalg.inv", A)


@op("torch", "method")
def logdet(input: Array) -> Array:
    """The logarithm of the determinant; NaN where that is negative."""
    sign, size = _slogdet("linalg.slogdet", input)
    return (
        jnp.where(sign == -1, jnp.nan, size)
        if not dtype_of(input).is_complex
        else size + jnp.log(sign)
    )


def is_vector(a: Array, b: Array) -> bool:
    """Whether the right-hand side `b` of a system holds vectors, not matrices."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def aligned(a: Array, b: Array) -> tuple[jax.Array, jax.Array]:
    """Two stacks of matrices with the same leading dimensions."""
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (
        jnp.broadcast_to(a, (*batch, *a.shape[-2:])),
        jnp.broadcast_to(b, (*batch, *b.shape[-2:])),
    )


@op("linalg")
def linalg_solve_triangular(
    A: Array, B: Array, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Array:
    """`X` with `A X = B` (or `X A = B`) for a triangular `A`, whose other half is ignored."""
    matrices("linalg.solve_triangular", A, square=True)
    a, b = aligned(A, B)
    return lax.linalg.triangular_solve(
        a, b, left_side=left, lower=not upper, unit_diagonal=unitriangular
    )


@op("torch", "method", returns="solution cloned_coefficient")
def triangular_solve(
    input: Array, A: Array, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Array, Array]:
    """`X` with `A X = input` for a triangular `A`, and a copy of `A`."""
    a, b = aligned(A, input)
    found = lax.linalg.triangular_solve(
        a, b, left_side=True, lower=not upper, transpose_a=transpose, unit_diagonal=unitriangular
    )
    return found, a


def _power(x: Array, n: int) -> jax.Array:
    matrices_or_integers("linalg.matrix_power", x)
    if n < 0:
        return _power(_inv("linalg.inv", x), -n)
    result = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    square = x
    while n:
        if n & 1:
            result = product(result, square).astype(x.dtype)
        n >>= 1
        if n:
            square = product(square, square).astype(x.dtype)
    return result


def matrices_or_integers(name: str, x: Array) -> None:
    """`matrices`, for what is defined on whole numbers too."""
    if not is_integral(x):
        matrices(name, x, square=True)


@op("torch", "method")
def matrix_power(input: Array, n: int) -> Array:
    """The product of `n` copies of each matrix; of its inverse where `n` is negative."""
    return _power(input, n)


@op("linalg")
def linalg_matrix_power(A: Array, n: int) -> Array:
    """The product of `n` copies of each matrix; of its inverse where `n` is negative."""
    return _power(A, n)


@op("torch", "method", "linalg")
def matrix_exp(input: Array) -> Array:
    """The exponential of each matrix."""
    matrices("linalg.matrix_exp", input, square=True)
    return jax.scipy.linalg.expm(wide(input)).astype(input.dtype)


@op("torch")
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """The powers of each element as a row, the highest first unless `increasing`."""
    return jnp.vander(x, N, increasing=increasing)


@op("linalg")
def linalg_vander(x: Array, *, N: int | None = None) -> Array:
    """The powers of each element as a row, the lowest first."""
    x = jnp.atleast_1d(x)
    count = x.shape[-1] if N is None else N
    steps = jnp.broadcast_to(x[..., None], (*x.shape, count - 1))
    return jnp.concatenate([jnp.ones((*x.shape, 1), x.dtype), jnp.cumprod(steps, -1)], -1)


def _cross(a: Array, b: Array, axis: int) -> jax.Array:
    x, y = promote(a, b)
    check_broadcast(x, y)
    return jnp.cross(*jnp.broadcast_arrays(x, y), axis=axis)


@op("linalg")
def linalg_cross(input: Array, other: Array, *, dim: int = -1) -> Array:
    """The cross product of vectors of length 3 along `dim`."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrap_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. "
            f"Got {input.shape[axis]} and {other.shape[axis]}"
        )
    return _cross(input, other, axis)


@op("torch", "method")
def cross(input: Array, other: Array, dim: int | None = None) -> Array:
    """The cross product along `dim`, or along the first dimension of size 3."""
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim)


@op("linalg")
def linalg_vecdot(x: Array, y: Array, *, dim: int = -1) -> Array:
    """The sums of products along `dim`, the first factor conjugated."""
    check_broadcast(x, y)
    a, b = promote(x, y)
    return jnp.sum(jnp.conj(wide(a)) * wide(b), axis=dim).astype(a.dtype)
