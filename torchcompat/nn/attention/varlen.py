"""Attention over sequences of different lengths, packed one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._dispatch import lifted

__all__ = ["varlen_attn", "varlen_attn_out", "AuxRequest"]


class AuxRequest(NamedTuple):
    """What `varlen_attn` is to return besides its output."""

    lse: bool = False


@lifted
def varlen_attn(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor | None,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: Sequence[int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Tensor | None = None,
    block_table: Tensor | None = None,
    num_splits: int | None = None,
) -> Any:
    """`softmax(scale * query @ key^T) @ value` within each of the packed sequences.

    Works on all devices and floating types (torch: CUDA and half types), and scores every query
    with every key of the pack, so that memory grows with the square of its length.

    Args:
        cu_seq_q, cu_seq_k: where each sequence starts, and where the last ends; `cu_seq_k` is None
            where the keys lie in pages.
        max_q, max_k: the largest lengths (a hint; has no effect).
        return_aux: also return the logarithm of the sum of the exponentials of the scores.
        scale: `1 / sqrt(D)` unless given.
        window_size: how many keys before and after its own place a query sees; -1 for all. The
            places are counted from the ends of both sequences.
        enable_gqa: key and value have fewer heads, each shared by several of the query's.
        seqused_k: how many keys of each sequence count.
        block_table: the pages of each sequence; key and value are then a pool of pages.
        num_splits: has no effect.

    Shape:
        query `(T_q, H_q, D)`, key and value `(T_k, H_kv, D)` or `(pages, page_size, H_kv, D)`,
        cu_seq `(N + 1)`, seqused_k `(N)`, block_table `(N, pages of a sequence)`; output
        `(T_q, H_q, D)`, lse `(H_q, T_q)`.

    Raises:
        ValueError: the heads do not belong together, or the window is not two numbers.
    """
    window = tuple(window_size)
    if len(window) != 2:
        raise ValueError(f"window_size must have length 2, got {len(window)}")
    _check_heads(query, key, enable_gqa)
    if block_table is not None and seqused_k is None:
        raise ValueError("block_table requires seqused_k to be set")
    if cu_seq_k is None and block_table is None:
        raise ValueError("cu_seq_k can only be None when block_table is provided")
    output, lse = ops.varlen_attention(
        query, key, value, cu_seq_q, cu_seq_k, seqused_k, block_table, scale, window
    )
    return (output, lse) if return_aux is not None and return_aux.lse else output


def varlen_attn_out(
    out: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor | None,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: Sequence[int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Tensor | None = None,
    block_table: Tensor | None = None,
    num_splits: int | None = None,
) -> Any:
    """`varlen_attn`, its output written into `out`."""
    found = varlen_attn(
        *(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k),
        return_aux=return_aux,
        scale=scale,
        window_size=window_size,
        enable_gqa=enable_gqa,
        seqused_k=seqused_k,
        block_table=block_table,
        num_splits=num_splits,
    )
    if isinstance(found, tuple):
        return out.copy_(found[0]), found[1]
    return out.copy_(found)


def _check_heads(query: Tensor, key: Tensor, enable_gqa: bool) -> None:
    heads, shared = query.shape[-2], key.shape[-2]
    if not enable_gqa and heads != shared:
        raise ValueError(
            "Expect query and key/value to have the same number of heads but got "
            f"Hq={heads} and Hkv={shared}. Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and heads % shared:
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={heads} and Hkv={shared}."
        )
