"""Multi-head attention around `attention.py`: projections into heads, masks, and the way back."""

from __future__ import annotations

import jax
from jax import numpy as jnp

from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import cast
from torchcompat._ops._registry import Array, op
from torchcompat._ops.linear import linear


@op()
def in_projection_packed(
    query: Array, key: Array | None, value: Array | None, weight: Array, bias: Array | None
) -> Array:
    """Query, key and value mapped by the three thirds of `weight`, in as few products as possible.

    Args:
        key: None where it is the query itself.
        value: None where it is the key itself.
    """
    features = weight.shape[0] // 3
    inputs = [query, key, value]
    starts = [i for i, x in enumerate(inputs) if x is not None]
    parts: list[jax.Array] = []
    for start, stop in zip(starts, [*starts[1:], 3]):
        rows = slice(start * features, stop * features)
        shift = None if bias is None else bias[rows]
        parts += jnp.split(linear(inputs[start], weight[rows], shift), stop - start, axis=-1)
    return tuple(parts)


@op()
def split_heads(input: Array, added: Array | None, num_heads: int, add_zero: bool) -> Array:
    """`(L, N, E)` as heads `(N, H, L', E/H)`.

    Args:
        added: one more position `(1, 1, E)` for every sample (`bias_k`, `bias_v`).
        add_zero: append a position of zeros.
    """
    if added is not None:
        shape = (1, input.shape[1], input.shape[2])
        input = jnp.concatenate([input, jnp.broadcast_to(added, shape).astype(input.dtype)])
    length, batch, features = input.shape
    heads = input.reshape(length, batch, num_heads, features // num_heads).transpose(1, 2, 0, 3)
    return append_zero(heads) if add_zero else heads


@op()
def append_zero(heads: Array) -> Array:
    """`(N, H, L, E)` with one more position, of zeros."""
    return jnp.pad(heads, ((0, 0), (0, 0), (0, 1), (0, 0)))


@op()
def merge_heads(heads: Array) -> Array:
    """`(N, H, L, E)` as `(L, N, H * E)`."""
    batch, count, length, size = heads.shape
    return heads.transpose(2, 0, 1, 3).reshape(length, batch, count * size)


@op()
def additive_mask(mask: Array, dtype: Dtype) -> Array:
    """A boolean mask as numbers to add: -inf where it is true, else 0."""
    return cast(jnp.where(mask, -jnp.inf, 0.0), dtype)


@op()
def merge_masks(
    attn_mask: Array | None, key_padding_mask: Array | None, batch: int, num_heads: int, added: int
) -> Array:
    """The sum of both float masks, `(N or 1, H or 1, L or 1, S + added)`.

    Args:
        attn_mask: `(L, S)` or `(N * H, L, S)`.
        key_padding_mask: `(N, S)`.
        added: positions appended to the keys, which every query may see.
    """
    total = None
    if attn_mask is not None:
        total = _padded(attn_mask, added)
        lead = (batch, num_heads) if attn_mask.ndim == 3 else (1, 1)
        total = total.reshape(*lead, *total.shape[-2:])
    if key_padding_mask is None:
        return total
    padding = _padded(key_padding_mask, added)[:, None, None, :]
    return padding if total is None else total + padding


def _padded(mask: jax.Array, added: int) -> jax.Array:
    return jnp.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, added)])
