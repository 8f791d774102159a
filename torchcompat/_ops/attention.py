"""Scaled dot-product attention. Source: Vaswani et al., Attention Is All You Need, 2017."""

from __future__ import annotations

import math

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import cast, dtype_of, wide, wrap_dim
from torchcompat._ops._errors import cpp_name, scalar
from torchcompat._ops._pointwise import check_broadcast
from torchcompat._ops._registry import Array, Number, op


@op()
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Array:
    """`softmax(scale * query @ key^T + mask) @ value`, without dropout.

    Shape:
        query `(..., H, L, E)`, key `(..., H, S, E)`, value `(..., H, S, Ev)`, attn_mask broadcast
        to `(..., H, L, S)`; output `(..., H, L, Ev)`.
    """
    _check_inputs(query, key, value, attn_mask, is_causal)
    weights = _weights(query, key, attn_mask, is_causal, scale, enable_gqa)
    return _weighted_values(weights, value, enable_gqa)


@op()
def attention_weights(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Array:
    """The weights of `scaled_dot_product_attention`, for dropout; `value` is only checked."""
    _check_inputs(query, key, value, attn_mask, is_causal)
    return cast(_weights(query, key, attn_mask, is_causal, scale, enable_gqa), dtype_of(query))


@op()
def plain_attention_weights(query: Array, key: Array, attn_mask: Array | None) -> Array:
    """Softmax of the scaled products. A row that is masked throughout is NaN, as in torch."""
    scores = masked(_scores(query, key), attn_mask)
    return cast(jax.nn.softmax(scores, axis=-1), dtype_of(query))


@op()
def attention_scores(query: Array, key: Array, scale: Number | Array) -> Array:
    """`scale * query @ key^T`; float32 for half types."""
    return _scores(query, key, scale)


@op()
def attention_output(weights: Array, value: Array, enable_gqa: bool) -> Array:
    """`weights @ value`: what is left of attention once dropout has acted on its weights."""
    return _weighted_values(weights, value, enable_gqa)


def _scores(query: jax.Array, key: jax.Array, scale: Number | Array | None = None) -> jax.Array:
    scale = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    return _product(query, key.swapaxes(-1, -2)) * scale


def _weights(
    query: jax.Array,
    key: jax.Array,
    mask: jax.Array | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> jax.Array:
    scores = _scores(query, _shared(key, query.shape, enable_gqa), scale)
    if is_causal:
        mask = np.tri(*scores.shape[-2:], dtype=bool)
    return safe_softmax(masked(scores, mask))


def _weighted_values(weights: jax.Array, value: jax.Array, enable_gqa: bool) -> jax.Array:
    value = _shared(value, weights.shape, enable_gqa)
    return cast(_product(cast(weights, dtype_of(value)), value), dtype_of(value))


def masked(scores: jax.Array, mask: jax.Array | np.ndarray | None) -> jax.Array:
    """The scores, -inf where a boolean mask is false, or with a float mask added."""
    if mask is None:
        return scores
    check_broadcast(scores, mask)
    if mask.dtype == np.bool_:
        return jnp.where(mask, scores, -jnp.inf)
    return scores + mask.astype(scores.dtype)


def safe_softmax(scores: jax.Array) -> jax.Array:
    """Softmax along the last dimension whose rows of -inf alone become 0, not NaN."""
    if scores.shape[-1] == 0:
        return scores
    nothing = jnp.all(scores == -jnp.inf, axis=-1, keepdims=True)
    return jnp.where(nothing, 0, jax.nn.softmax(jnp.where(nothing, 0, scores), axis=-1))


def _shared(x: jax.Array, like: tuple[int, ...], enable_gqa: bool) -> jax.Array:
    """With `enable_gqa`, each head of `x` repeated for the query heads that share it."""
    if not enable_gqa:
        return x
    heads = x.shape[wrap_dim(-3, x.ndim)]
    wanted = like[wrap_dim(-3, len(like))]
    if wanted % heads:
        raise RuntimeError("Number of heads in key and value must divide the number of heads in ")
    return jnp.repeat(x, wanted // heads, axis=-3)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Batched matrix product in full precision; half types give float32."""
    batch_a, batch_b = (np.empty(x.shape[:-2], bool) for x in (a, b))
    check_broadcast(batch_a, batch_b)
    if a.shape[-1] != b.shape[-2]:
        count = math.prod(np.broadcast_shapes(batch_a.shape, batch_b.shape))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{count}, {a.shape[-1]}] but got: [{count}, {b.shape[-2]}]."
        )
    sum_type = wide(jnp.zeros((), a.dtype)).dtype
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST, preferred_element_type=sum_type)


def _check_inputs(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: jax.Array | None,
    is_causal: bool,
) -> None:
    if len({dtype_of(x) for x in (query, key, value)}) > 1:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{cpp_name(query)} key.dtype: {cpp_name(key)} and value.dtype: {cpp_name(value)} "
            "instead."
        )
    if min(x.ndim for x in (query, key, value)) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if mask is not None:
        _check_mask(query, mask, is_causal)
    if not dtype_of(query).is_floating_point:
        raise RuntimeError(f"expected scalar type Float but found {scalar(query)}")


def _check_mask(query: jax.Array, mask: jax.Array, is_causal: bool) -> None:
    if dtype_of(mask) not in (_dtype.bool_, _dtype.float32, dtype_of(query)):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {cpp_name(mask)} and  query.dtype: {cpp_name(query)} instead."
        )
    if is_causal:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
