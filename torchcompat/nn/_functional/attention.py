"""Attention with dropout, and torch's functional form of multi-head attention."""

from __future__ import annotations

import warnings
from typing import Any

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Size, Tensor
from torchcompat.nn._functional.dropout import dropout
from torchcompat.nn.attention.bias import CausalBias, CausalVariant


@lifted
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`dropout(softmax(scale * query @ key^T + mask)) @ value`.

    Args:
        attn_mask: true (or 0) where a query may look at a key, false (or -inf) where not. A query
            that may look nowhere gets 0.
        dropout_p: share of the weights to drop, always: pass 0 in evaluation.
        is_causal: query i sees the keys 0 to i.
        scale: `1 / sqrt(E)` unless given.
        enable_gqa: key and value have fewer heads, each shared by several of the query's.

    Shape:
        query `(N, ..., H, L, E)`, key `(N, ..., H, S, E)`, value `(N, ..., H, S, Ev)`, attn_mask
        broadcast to `(N, ..., H, L, S)`; output `(N, ..., H, L, Ev)`.
    """
    if isinstance(attn_mask, CausalBias):
        attn_mask, is_causal = _without_bias(attn_mask, (query, key, value), is_causal)
    rest = (attn_mask, bool(is_causal), scale, enable_gqa)
    if dropout_p == 0:
        return ops.scaled_dot_product_attention(query, key, value, *rest)
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(
            f"dropout probability has to be between 0 and 1, but got {float(dropout_p):g}"
        )
    weights = ops.attention_weights(query, key, value, *rest)
    return ops.attention_output(dropout(weights, dropout_p), value, enable_gqa)


def _without_bias(
    bias: CausalBias, inputs: tuple[Tensor, ...], is_causal: bool
) -> tuple[Tensor | None, bool]:
    """The mask and the flag that say what a causal bias says."""
    if is_causal:
        raise ValueError("CausalBias should not be used with causal=True")
    if bias.variant == CausalVariant.UPPER_LEFT or bias.seq_len_q == bias.seq_len_kv:
        return None, True
    query, key, value = inputs
    if not query.dtype is key.dtype is value.dtype:
        raise ValueError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype}, key.dtype: {key.dtype}, and value.dtype: {value.dtype} instead."
        )
    if min(x.ndim for x in inputs) < 2:
        raise ValueError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim}, key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    return bias._materialize(), False


@lifted
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Projects into heads, attends in each, and projects back. See `MultiheadAttention`.

    Args:
        in_proj_weight, in_proj_bias: the projections of query, key and value, stacked; or, with
            `use_separate_proj_weight`, only the bias, and the weights are `q/k/v_proj_weight`.
        bias_k, bias_v: one more key and value for every sample.
        add_zero_attn: one more key and value, of zeros.
        key_padding_mask: keys to leave out (true, or -inf to add).
        attn_mask: pairs to leave out (true, or numbers to add).
        static_k, static_v: heads of key and value to use instead of the projected ones.
        is_causal: `attn_mask` is the causal mask (a hint).

    Shape:
        query `(L, N, E)` or `(L, E)`, key and value `(S, N, E)` or `(S, E)`, key_padding_mask
        `(N, S)` or `(S)`, attn_mask `(L, S)` or `(N * num_heads, L, S)`, static_k and static_v
        `(N * num_heads, S, E / num_heads)`.
        Output as query, and weights `(N, L, S)`, or `(N, num_heads, L, S)` unless averaged.
    """
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = _batched(query, key, value)
        key_padding_mask = None if key_padding_mask is None else ops.unsqueeze(key_padding_mask, 0)
    is_causal = _causal(is_causal, attn_mask, key_padding_mask, need_weights)
    masks = _float_masks(query, None if is_causal else attn_mask, key_padding_mask, attn_mask)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    if use_separate_proj_weight:
        q, k, v = _projected_apart(
            (query, key, value), (q_proj_weight, k_proj_weight, v_proj_weight), in_proj_bias
        )
    else:
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)
    length, batch = query.shape[:2]
    _check_attn_mask(masks[0], batch * num_heads, length, key.shape[0])
    _check_bias_kv(bias_k, bias_v, static_k, static_v)
    q = ops.split_heads(q, None, num_heads, False)
    k = _heads(k, bias_k, static_k, "static_k", num_heads, q.shape, add_zero_attn)
    v = _heads(v, bias_v, static_v, "static_v", num_heads, q.shape, add_zero_attn)
    extra = int(bias_k is not None) + int(add_zero_attn)
    mask = _merged(masks, batch, num_heads, extra, k.shape[2])
    heads, weights = _attended(
        q, k, v, mask, dropout_p if training else 0.0, need_weights, is_causal
    )
    output = ops.linear(ops.merge_heads(heads), out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = ops.mean(weights, 1)
    if not batched:
        output = output.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return output, weights


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are one value: the same view of one array."""
    return a is b or (a._layout == b._layout and a._cell.value is b._cell.value)


def _batched(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The unbatched inputs with a batch dimension; equal inputs stay equal."""
    q = ops.unsqueeze(query, 1)
    k = q if _same(key, query) else ops.unsqueeze(key, 1)
    return q, k, k if _same(value, key) else ops.unsqueeze(value, 1)


def _causal(
    hint: bool, attn_mask: Tensor | None, key_padding_mask: Tensor | None, need_weights: bool
) -> bool:
    """Whether attention itself is to be causal, in place of the mask."""
    if hint and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    return hint and key_padding_mask is None and not need_weights


def _float_masks(
    query: Tensor,
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    beside: Tensor | None,
) -> tuple[Tensor | None, Tensor | None]:
    """Both masks as numbers to add."""
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(beside), "attn_mask", query.dtype
    )
    attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
    return attn_mask, key_padding_mask


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Dtype | None,
    other_name: str,
    target_type: Dtype,
    check_other: bool = True,
) -> Tensor | None:
    """A mask as numbers to add: a boolean one becomes -inf where it is true."""
    if mask is None:
        return None
    if mask.dtype is not _dtype.bool_ and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype is not other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. "
            "Use same type for both instead.",
            stacklevel=2,
        )
    return ops.additive_mask(mask, target_type) if mask.dtype is _dtype.bool_ else mask


def _none_or_dtype(input: Tensor | None) -> Dtype | None:
    if input is None or isinstance(input, Tensor):
        return None if input is None else input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _mha_shape_check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether the inputs are batched.

    Raises:
        AssertionError: the numbers of dimensions do not belong together.
    """
    rank = query.ndim
    if rank not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor"
        )
    kind = f"For {'batched (3-D)' if rank == 3 else 'unbatched (2-D)'} `query`, expected"
    if key.ndim != rank or value.ndim != rank:
        raise AssertionError(
            f"{kind} `key` and `value` to be {rank}-D but found {key.ndim}-D and {value.ndim}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != rank - 1:
        raise AssertionError(
            f"{kind} `key_padding_mask` to be `None` or {rank - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AssertionError(
                f"{kind} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D "
                "tensor instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if rank == 2 and attn_mask.ndim == 3 and tuple(attn_mask.shape) != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {Size(attn_mask.shape)}"
            )
    return rank == 3


def _check_sizes(
    query: Tensor, key: Tensor, value: Tensor, expected: int, num_heads: int, separate: bool
) -> None:
    features = query.shape[-1]
    if features != expected:
        raise AssertionError(f"was expecting embedding dimension of {expected}, but got {features}")
    if features % num_heads:
        raise AssertionError(f"embed_dim {features} not divisible by num_heads {num_heads}")
    if separate and key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _check_attn_mask(mask: Tensor | None, rows: int, length: int, keys: int) -> None:
    if mask is None:
        return
    expected = (length, keys) if mask.ndim == 2 else (rows, length, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}."
        )


def _check_bias_kv(
    bias_k: Tensor | None, bias_v: Tensor | None, static_k: Any, static_v: Any
) -> None:
    if bias_k is not None and bias_v is None:
        raise AssertionError("bias_k is set but bias_v is None")
    if bias_k is None and bias_v is not None:
        raise AssertionError("bias_v is set but bias_k is None")
    if bias_k is not None and static_k is not None:
        raise AssertionError("bias cannot be added to static key.")
    if bias_k is not None and static_v is not None:
        raise AssertionError("bias cannot be added to static value.")


def _in_projection_packed(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None
) -> list[Tensor]:
    """Query, key and value mapped by the three thirds of `w`; equal inputs share a product."""
    key = None if _same(k, q) else k
    value = None if _same(v, k) else v
    if key is None and value is not None:
        key = k
    return ops.in_projection_packed(q, key, value, w, b)


def _projected_apart(
    inputs: tuple[Tensor, ...], weights: tuple[Tensor | None, ...], bias: Tensor | None
) -> list[Tensor]:
    for name, weight in zip("qkv", weights):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    biases = [None] * 3 if bias is None else bias.chunk(3)
    return [ops.linear(x, w, b) for x, w, b in zip(inputs, weights, biases)]


def _heads(
    projected: Tensor,
    bias: Tensor | None,
    static: Tensor | None,
    name: str,
    num_heads: int,
    like: tuple[int, ...],
    add_zero: bool,
) -> Tensor:
    """Keys or values by head, with the extra positions."""
    if static is None:
        return ops.split_heads(projected, bias, num_heads, add_zero)
    rows, size = like[0] * num_heads, like[-1]
    for dim, expected in ((0, rows), (2, size)):
        if static.shape[dim] != expected:
            raise AssertionError(
                f"expecting {name}.size({dim}) of {expected}, but got {static.shape[dim]}"
            )
    heads = static.reshape(like[0], num_heads, static.shape[1], size)
    return ops.append_zero(heads) if add_zero else heads


def _merged(
    masks: tuple[Tensor | None, Tensor | None], batch: int, num_heads: int, extra: int, keys: int
) -> Tensor | None:
    attn_mask, padding = masks
    if padding is not None:
        _check_key_padding_mask(padding, keys - extra, batch, extra)
    if attn_mask is None and padding is None:
        return None
    return ops.merge_masks(attn_mask, padding, batch, num_heads, extra)


def _check_key_padding_mask(
    key_padding_mask: Tensor, src_len: int, bsz: int, extra: int = 0
) -> None:
    for dim, (expected, added) in enumerate(((bsz, 0), (src_len, extra))):
        found = key_padding_mask.shape[dim]
        if found != expected:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{dim}] to be {expected + added}, "
                f"but got {found + added}"
            )


def _attended(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout_p: float,
    need_weights: bool,
    is_causal: bool,
) -> tuple[Tensor, Tensor | None]:
    """What the heads give, and with `need_weights` their weights after dropout."""
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal), None
    weights = ops.plain_attention_weights(q, k, mask)
    if dropout_p > 0.0:
        weights = dropout(weights, p=dropout_p)
    return ops.attention_output(weights, v, False), weights
