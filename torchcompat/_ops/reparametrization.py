"""What weight and spectral normalisation compute."""

from __future__ import annotations

import math

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import cast, dtype_of, wide, wrap_dim
from torchcompat._ops._errors import scalar
from torchcompat._ops._registry import Array, op
from torchcompat._ops.distance import p_norm
from torchcompat._ops.norm import normalize
from torchcompat._ops.products import mv, product, vdot


def _norms(v: jax.Array, pow: float, dim: int) -> jax.Array:
    """Norms over all dimensions but `dim`, which stay as 1; over all of them for dim -1."""
    if not (dtype_of(v).is_floating_point or dtype_of(v).is_complex):
        raise RuntimeError(
            "norm(): input dtype should be either floating point or complex. "
            f"Got {scalar(v)} instead."
        )
    if dim == -1:
        return p_norm(wide(v), pow, None)  # type: ignore[arg-type]
    if v.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    kept = wrap_dim(dim, v.ndim)
    others = tuple(d for d in range(v.ndim) if d != kept)
    return p_norm(wide(v), pow, others, keepdims=True)  # type: ignore[arg-type]


@op("torch")
def norm_except_dim(v: Array, pow: int = 2, dim: int = 0) -> Array:
    """The `pow`-norm of each slice `v.select(dim, i)`; for dim -1, of the whole tensor.

    Shape:
        v `(*)`; output: 1 in every dimension but `dim`, or `()` for dim -1.
    """
    return cast(_norms(v, pow, dim), dtype_of(v).to_real())


@op("torch", grad="WeightNormInterfaceBackward0")
def _weight_norm(v: Array, g: Array, dim: int = 0) -> Array:
    """`g * v / norm(v)`, the norm taken as `norm_except_dim` does.

    Source: Salimans and Kingma, "Weight normalization", 2016.
    """
    if v.dtype != g.dtype and not dtype_of(v).is_complex:
        raise RuntimeError(f"expected scalar type {scalar(v)} but found {scalar(g)}")
    # Not `_norms`: the slope at a zero slice is NaN here, as in torch.
    others = () if dim == -1 else tuple(d for d in range(v.ndim) if d != wrap_dim(dim, v.ndim))
    square = jnp.square(jnp.abs(wide(v)))
    size = jnp.sqrt(jnp.sum(square, others or None, keepdims=dim != -1))
    if g.size != size.size:
        raise RuntimeError(f"expected g of size {list(size.shape)} (got {list(g.shape)})")
    if dim == -1:  # torch goes this way in steps, each rounded
        size = wide(cast(size, dtype_of(g)))
    ratio = wide(g).reshape(size.shape) / size
    if dim == -1:
        ratio = wide(cast(ratio, dtype_of(g)))
    return cast(wide(v) * ratio, dtype_of(v))


@op(differentiable=False)
def power_iterations(
    matrix: Array, u: Array, v: Array, count: int, eps: float
) -> tuple[Array, Array]:
    """Approximations of the first singular vectors after `count` more steps.

    Shape:
        matrix `(m, n)`, u `(m)`, v `(n)`.
    """

    def step(_: int, vectors: tuple) -> tuple:
        left = normalize(mv(matrix, vectors[1]), 2.0, 0, eps)
        return left, normalize(mv(matrix.conj().T, left), 2.0, 0, eps)

    matrix, u, v = map(lax.stop_gradient, (matrix, u, v))
    return lax.fori_loop(0, count, step, (u, v))


@op(grad="DivBackward0")
def spectrally_normalized(weight: Array, u: Array, v: Array, dim: int) -> Array:
    """`weight / (u^H W v)`, where W is the weight as a matrix with dimension `dim` as its rows."""
    return weight / vdot(u, mv(rows_first(weight, dim), v))


@op()
def rows_first(weight: Array, dim: int) -> Array:
    """The tensor as a matrix whose rows are the slices along `dim`."""
    rows = weight.shape[dim]
    moved = jnp.moveaxis(weight, dim, 0)
    return moved.reshape(rows, math.prod(moved.shape[1:]))


@op(differentiable=False)
def right_singular_vector(matrix: Array, u: Array, sigma: Array) -> Array:
    """The `v` in the span of the rows of `matrix`, scaled so that `u^T matrix v = sigma`."""
    v = product(product(jnp.linalg.pinv(product(matrix.T, matrix)), matrix.T), u)
    return cast(v * (sigma / vdot(u, mv(matrix, cast(v, dtype_of(u))))), dtype_of(u))
