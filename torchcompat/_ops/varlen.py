"""Attention within each of several sequences that are packed one behind the other."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat._ops._common import cast, dtype_of
from torchcompat._ops._registry import Array, op
from torchcompat._ops.attention import attention_output, attention_scores, safe_softmax


class _Tokens(NamedTuple):
    """Of each token: its sequence, its place in it, and how many tokens that sequence has."""

    sequence: jax.Array
    place: jax.Array
    length: jax.Array


@op(grad="VarlenAttnBackward0")
def varlen_attention(
    query: Array,
    key: Array,
    value: Array,
    starts_q: Array,
    starts_k: Array | None,
    used: Array | None,
    pages: Array | None,
    scale: float | None,
    window: tuple[int, int],
) -> tuple[Array, Array]:
    """The averages of the values, and the logarithms of the sums of the exponentials of the scores.

    Shape:
        query `(T_q, H_q, D)`, key and value `(T_k, H_kv, D)` or, with pages `(N, M)`, `(P, S, H_kv,
        D)`; starts `(N + 1)`, used `(N)`; outputs `(T_q, H_q, D)` and `(H_q, T_q)`.
    """
    queries = _packed(starts_q, query.shape[0])
    if pages is None:
        keys = _packed(starts_k, key.shape[0])
    else:
        keys = _paged(pages, key.shape[1])
        key, value = (x[pages].reshape(-1, *x.shape[2:]) for x in (key, value))
    if used is not None:
        keys = keys._replace(length=used.astype(np.int64)[keys.sequence])
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    q, k, v = (x.swapaxes(0, 1) for x in (query, key, value))
    k, v = (jnp.repeat(x, q.shape[0] // x.shape[0], axis=0) for x in (k, v))
    allowed = _allowed(queries, keys, window)
    scores = jnp.where(allowed, attention_scores(q, k, scale), -jnp.inf)
    output = attention_output(safe_softmax(scores), v, False)
    reached = allowed.any(-1)
    sums = jax.nn.logsumexp(jnp.where(reached[:, None], scores, 0), axis=-1)
    lse = jnp.where(reached, sums, -jnp.inf)
    return cast(output.swapaxes(0, 1), dtype_of(query)), lse


def _packed(starts: jax.Array, count: int) -> _Tokens:
    starts = starts.astype(np.int64)
    token = jnp.arange(count)
    # What lies behind the last sequence is a sequence of its own, of no tokens.
    sequence = jnp.searchsorted(starts[1:], token, side="right")
    lengths = jnp.append(jnp.diff(starts), 0)
    return _Tokens(sequence, token - starts[sequence], lengths[sequence])


def _paged(pages: jax.Array, page_size: int) -> _Tokens:
    count, length = pages.shape[0], pages.shape[1] * page_size
    sequence = np.repeat(np.arange(count), length)
    place = np.tile(np.arange(length), count)
    return _Tokens(*map(jnp.asarray, (sequence, place, np.full_like(place, length))))


def _allowed(queries: _Tokens, keys: _Tokens, window: tuple[int, int]) -> jax.Array:
    """Whether each query sees each key; the places are compared from the ends of both sequences."""
    together = queries.sequence[:, None] == keys.sequence
    from_end_q = (queries.length - queries.place)[:, None]
    ahead = from_end_q - (keys.length - keys.place)
    seen = together & (keys.place < keys.length) & (queries.place < queries.length)[:, None]
    before, after = window
    if before >= 0:
        seen &= ahead >= -before
    return seen & (ahead <= after) if after >= 0 else seen
