"""Norms of vectors and matrices, and distances between tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import (
    cast,
    dtype_of,
    float_input,
    promote,
    result_type,
    wide,
    wrap_dim,
    wrap_dims,
)
from torchcompat._ops._errors import scalar
from torchcompat._ops._pointwise import is_integral
from torchcompat._ops._registry import Array, op
from torchcompat._ops.distance import p_norm
from torchcompat._ops.products import product
from torchcompat._ops.reduction import axes_of

Dims = int | Sequence[int] | None
Order = float | str | None


def _norm_input(name: str, x: Array, dtype: Dtype | None) -> tuple[jax.Array, Dtype]:
    """The input as it is summed, and the type of the norm."""
    if is_integral(x):
        raise RuntimeError(
            f"linalg.{name}: Expected a floating point or complex tensor as input. Got {scalar(x)}"
        )
    if dtype is None:
        return wide(x), dtype_of(x).to_real()
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(
            f"linalg.{name}: dtype should be floating point or complex, but got {dtype.name}"
        )
    return wide(cast(x, dtype)), dtype.to_real()


def _vector(x: Array, order: float, dim: Dims, keepdim: bool, dtype: Dtype | None) -> jax.Array:
    held, to = _norm_input("vector_norm", x, dtype)
    axes = axes_of(held, dim)
    if (order < 0 or order == math.inf) and any(held.shape[d] == 0 for d in axes):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because the "
            "operation does not have an identity"
        )
    return cast(p_norm(held, order, axes, keepdim), to)  # type: ignore[arg-type]


@op("linalg")
def linalg_vector_norm(
    x: Array, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Dtype | None = None
) -> Array:
    """The `ord`-norm of the elements over `dim` (all by default), as one vector."""
    if isinstance(ord, str):
        raise TypeError("linalg_vector_norm(): argument 'ord' (position 2) must be Number, not str")
    return _vector(x, ord, dim, keepdim, dtype)


def _matrix(x: Array, order: Order, dim: Dims, keepdim: bool, dtype: Dtype | None) -> jax.Array:
    if x.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    if isinstance(dim, int) or dim is None or len(dim) != 2:
        count = dim if isinstance(dim, int) else len(dim or ())
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {count}")
    rows, columns = wrap_dims(dim, x.ndim)
    held, to = _norm_input("matrix_norm", x, dtype)
    if order in ("fro", None):
        return cast(p_norm(held, 2, (rows, columns), keepdim), to)  # type: ignore[arg-type]
    found = _matrix_order(jnp.moveaxis(held, (rows, columns), (-2, -1)), order)
    if keepdim:
        found = jnp.expand_dims(found, sorted((rows, columns)))
    return cast(found, to)


def _matrix_order(x: jax.Array, order: Order) -> jax.Array:
    if order in ("nuc", 2, -2):
        values = jnp.linalg.svd(x, compute_uv=False)
        return _picked(values, order)
    if order in (1, -1, math.inf, -math.inf):
        sums = jnp.sum(jnp.abs(x), axis=-2 if abs(order) == 1 else -1)  # type: ignore[arg-type]
        return _picked(sums, order)
    raise RuntimeError(f"linalg.matrix_norm: Order {order} not supported.")


def _picked(values: jax.Array, order: Order) -> jax.Array:
    """The sum ("nuc"), largest or (for a negative order) smallest along the last dimension."""
    if order == "nuc":
        return jnp.sum(values, axis=-1)
    if order > 0:  # type: ignore[operator]
        return jnp.max(values, axis=-1, initial=0)
    if not values.shape[-1]:
        raise IndexError("amin(): Expected reduction dim -1 to have non-zero size.")
    return jnp.min(values, axis=-1)


@op("linalg")
def linalg_matrix_norm(
    A: Array,
    ord: Order = "fro",
    dim: Dims = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
) -> Array:
    """The matrix norm over two dimensions.

    Args:
        ord: "fro", "nuc", 1, -1, 2, -2, inf or -inf.
    """
    return _matrix(A, ord, dim, keepdim, dtype)


@op("linalg")
def linalg_norm(
    A: Array,
    ord: Order = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
) -> Array:
    """The norm of a vector (one dimension) or of a matrix (two); without `ord`, of all elements."""
    if ord is None:
        return _vector(A, 2, dim, keepdim, dtype)
    if dim is None:
        if A.ndim not in (1, 2):
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
                f"Got {A.ndim}D."
            )
        dim = tuple(range(A.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if isinstance(ord, str) or len(dims) == 2:
        return _matrix(A, ord, dims, keepdim, dtype)
    return _vector(A, ord, dims, keepdim, dtype)


@op("torch", "method", grad="LinalgVectorNormBackward0")
def norm(
    input: Array,
    p: Order = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: Dtype | None = None,
) -> Array:
    """The `p`-norm over `dim`, or of all elements.

    Args:
        p: the order; "fro" is 2, "nuc" the sum of a matrix's singular values.
    """
    if p == "nuc":
        dims = tuple(range(input.ndim)) if dim is None else dim
        return _matrix(input, "nuc", dims, keepdim, dtype)
    return _vector(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype)  # type: ignore[arg-type]


@op("torch", "method")
def dist(input: Array, other: Array, p: float = 2) -> Array:
    """The `p`-norm of `input - other`."""
    a, b = promote(input, other)
    return _vector(a - b, p, None, False, None)


@op("torch")
def cdist(
    x1: Array, x2: Array, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Array:
    """The `p`-norm distance of each row of `x1` from each row of `x2`.

    Shape:
        x1 `(*, P, M)`, x2 `(*, R, M)`; output `(*, P, R)`.
    """
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    large = x1.shape[-2] > 25 or x2.shape[-2] > 25
    by_product = compute_mode == "use_mm_for_euclid_dist" or (
        compute_mode == "use_mm_for_euclid_dist_if_necessary" and large
    )
    if p == 2 and by_product:
        return _euclidean(x1, x2)
    return p_norm(x1[..., :, None, :] - x2[..., None, :, :], p, -1)


def _euclidean(a: jax.Array, b: jax.Array) -> jax.Array:
    """By `|a|^2 - 2 a.b + |b|^2`, without a table of differences."""
    squares = jnp.sum(a * a, -1)[..., :, None] + jnp.sum(b * b, -1)[..., None, :]
    total = jnp.maximum(squares - 2 * product(a, b.swapaxes(-1, -2)), 0)
    zero = total == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, total)))


@op("torch", "method", "inplace")
def renorm(input: Array, p: float, dim: int, maxnorm: float) -> Array:
    """Each slice along `dim` scaled down to a `p`-norm of at most `maxnorm`."""
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    kept = wrap_dim(dim, input.ndim)
    axes = tuple(d for d in range(input.ndim) if d != kept)
    size = p_norm(wide(input), p, axes, True)  # type: ignore[arg-type]
    factor = jnp.where(size > maxnorm, maxnorm / (size + 1e-7), 1)
    return (wide(input) * factor).astype(input.dtype)


def _check_weights(input: Array, observations: int, name: str, weights: Array) -> None:
    text = f"cov(): expected {name} to have"
    if weights.ndim > 1:
        raise RuntimeError(
            f"{text} one or fewer dimensions but got {name} with {weights.ndim} dimensions"
        )
    kind = "integral" if name == "fweights" else "floating point"
    if is_integral(weights, bools=False) != (name == "fweights"):
        raise RuntimeError(f"{text} {kind} dtype but got {name} with {scalar(weights)} dtype")
    if weights.size != observations:
        raise RuntimeError(
            f"{text} the same numel as there are observations in the input but got "
            f"{weights.size} != {observations}"
        )


def _check_cov(
    input: Array, correction: int = 1, fweights: Array | None = None, aweights: Array | None = None
) -> None:
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is None or isinstance(weights, (jax.core.Tracer, jax.ShapeDtypeStruct)):
            continue
        _check_weights(input, input.shape[-1] if input.ndim else 1, name, weights)
        if np.any(np.asarray(weights) < 0):
            raise RuntimeError(f"cov(): {name} cannot be negative")


@op("torch", "method", check=_check_cov)
def cov(
    input: Array,
    *,
    correction: int = 1,
    fweights: Array | None = None,
    aweights: Array | None = None,
) -> Array:
    """The covariance matrix of variables (rows) over observations (columns)."""
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    to = result_type(float_input(input), *([] if aweights is None else [aweights]))
    x = wide(cast(input, to))
    rows = x.reshape(1, -1) if x.ndim < 2 else x
    weights = _weights(rows, fweights, aweights)
    total = jnp.sum(weights)
    rest = total - correction
    if correction and aweights is not None:
        rest = total - correction * jnp.sum(weights * aweights) / total
    share = weights.astype(rows.dtype)
    center = rows - (jnp.sum(rows * share, 1) / total.astype(rows.dtype))[:, None]
    found = product(center * share, jnp.conj(center).T) / jnp.maximum(rest, 0).astype(x.dtype)
    return cast(jnp.squeeze(found), to)


def _weights(rows: jax.Array, fweights: Array | None, aweights: Array | None) -> jax.Array:
    """The weight of each observation, in the weights' own type, in which torch adds them up."""
    given = [w for w in (fweights, aweights) if w is not None]
    if not given:
        return jnp.ones(rows.shape[1], np.int64)
    return given[0] if len(given) == 1 else given[0] * given[1]


@op("torch", "method")
def corrcoef(input: Array) -> Array:
    """The correlation coefficients of variables (rows) over observations (columns)."""
    found = cov(input)
    if not found.ndim:
        return found / found
    root = jnp.sqrt(jnp.real(jnp.diagonal(found))).astype(found.dtype)
    scaled = found / root[:, None] / root[None, :]
    if dtype_of(scaled).is_complex:
        return jax.lax.complex(jnp.clip(scaled.real, -1, 1), jnp.clip(scaled.imag, -1, 1))
    return jnp.clip(scaled, -1, 1)
