"""Distances and similarities between rows, and the losses made of them."""

from __future__ import annotations

import math

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import cast, floating_type, magnitude, result_type, wide, wrap_dim
from torchcompat._ops._pointwise import check_broadcast, operands
from torchcompat._ops._registry import Array, op
from torchcompat._ops.loss import TINY, hinge, reduced


def p_norm(x: jax.Array, p: float, axis: int, keepdims: bool = False) -> jax.Array:
    """`(sum |x|^p)^(1/p)` along `axis`, whose slope at zero is 0 and never NaN."""
    size = magnitude(x)
    if p == 0:
        return jnp.sum(size != 0, axis=axis, keepdims=keepdims).astype(size.dtype)
    if p == 1:
        return jnp.sum(size, axis=axis, keepdims=keepdims)
    if math.isinf(p):
        pick = jnp.max if p > 0 else jnp.min
        return pick(size, axis=axis, keepdims=keepdims)
    if p == 2:
        total = jnp.sum(size * size, axis=axis, keepdims=keepdims)
    else:
        total = jnp.sum(_power(size, p), axis=axis, keepdims=keepdims)
    return _root(total, p)


def _power(size: jax.Array, p: float) -> jax.Array:
    zero = size == 0
    at_zero = 0.0 if p > 0 else math.inf
    return jnp.where(zero, at_zero, jnp.where(zero, 1, size) ** p)


def _root(total: jax.Array, p: float) -> jax.Array:
    zero = total == 0
    safe = jnp.where(zero, 1, total)
    return jnp.where(zero, 0, jnp.sqrt(safe) if p == 2 else safe ** (1 / p))


@op("torch", "functional")
def pairwise_distance(
    x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Array:
    """The p-norm of `x1 - x2 + eps` along the last dimension.

    Shape:
        x1, x2 `(N, D)` or `(D)`, broadcast; output `(N)` or `()`, with `keepdim` `(N, 1)` or `(1)`.
    """
    (a, b), to = operands(x1, x2)
    result = floating_type(to)
    distance = p_norm(cast(a - b, _wide_type(result)) + eps, p, -1, keepdim)
    return cast(distance, result.to_real())


def _wide_type(one: _dtype.dtype) -> _dtype.dtype:
    return _dtype.float32 if one in (_dtype.float16, _dtype.bfloat16) else one


@op("torch", "functional")
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """`x1 . x2 / (max(|x1|, eps) * max(|x2|, eps))` along `dim` of the common shape."""
    to = result_type(x1, x2)
    if not to.is_floating_point:
        name = _dtype.scalar_name(to)
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {name}"
        )
    check_broadcast(x1, x2)
    (a, b), _ = operands(x1, x2)
    a, b = jnp.broadcast_arrays(a, b)
    dim = wrap_dim(dim, a.ndim)
    if a.ndim == 0:
        a, b = a.reshape(1), b.reshape(1)
    return cast(jnp.sum(_unit(a, dim, eps) * _unit(b, dim, eps), axis=dim), to)


def _unit(x: jax.Array, dim: int, eps: float) -> jax.Array:
    norm = p_norm(x, 2, dim, True)
    # The floor is invisible to the gradient, as in torch.
    return x / (norm + jax.lax.stop_gradient(jnp.maximum(norm, eps) - norm))


@op("torch", "functional")
def pdist(input: Array, p: float = 2.0) -> Array:
    """The p-norm between each pair of rows, in the order (0, 1), (0, 2), ..., (N-2, N-1).

    Shape:
        input `(N, M)`; output `(N * (N - 1) / 2)`.
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    rows, others = np.triu_indices(input.shape[0], 1)
    x = wide(input)
    return cast(p_norm(x[rows] - x[others], p, -1), result_type(input))


@op("torch")
def cosine_embedding_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0.0,
    reduction: str | int = "mean",
) -> Array:
    """`1 - cos(input1, input2)` where `target` is 1, `max(0, cos - margin)` where it is -1.

    Shape:
        inputs `(N, D)` with target `(N)`, or inputs `(D)` with target `()`.
    """
    _check_cosine_target(input1, input2, target)
    (a, b), _ = operands(input1, input2)
    to = result_type(input1, input2, target)
    check_broadcast(target, jnp.sum(a * b, axis=-1))
    squares = (jnp.sum(x * x, axis=-1) + TINY for x in (a, b))
    cos = jnp.sum(a * b, axis=-1) / jnp.sqrt(math.prod(squares))
    loss = jnp.where(target == 1, 1 - cos, 0) + jnp.where(target == -1, hinge(cos - margin), 0)
    return reduced(loss, reduction, floating_type(to))


def _check_cosine_target(input1: jax.Array, input2: jax.Array, target: jax.Array) -> None:
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )


@op("torch")
def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str | int = "mean",
) -> Array:
    """`max(0, d(anchor, positive) - d(anchor, negative) + margin)`, d the `pairwise_distance`.

    Args:
        swap: use d(positive, negative) instead of d(anchor, negative) where it is smaller.
    """
    ranks = anchor.ndim, positive.ndim, negative.ndim
    if len(set(ranks)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {ranks[0]}D, positive {ranks[1]}D, and negative "
            f"{ranks[2]}D inputs"
        )
    crossed = pairwise_distance(positive, negative, p, eps) if swap else None
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    return triplet_of_distances(near, far, crossed, margin, reduction)


@op()
def triplet_of_distances(
    near: Array, far: Array, crossed: Array | None, margin: float, reduction: str | int
) -> Array:
    """`max(0, near - far + margin)`, `far` being replaced by `crossed` where that is smaller."""
    if crossed is not None:
        far = jnp.minimum(far, crossed)
    (a, b), to = operands(near, far)
    return reduced(hinge(margin + a - b), reduction, to)
