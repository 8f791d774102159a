"""The attention layer; torch keeps it in `activation.py`, which re-exports it."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._creation import empty
from torchcompat.nn import functional as F
from torchcompat.nn.init import constant_, xavier_normal_, xavier_uniform_
from torchcompat.nn.modules.linear import NonDynamicallyQuantizableLinear
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter


class MultiheadAttention(Module):
    """Attention in `num_heads` projections of the input at once.

    torch's fast path in evaluation (nested tensors, fused kernels) does not exist here: results are
    those of its ordinary path in every mode.

    Args:
        dropout: share of the attention weights dropped in training, in [0, 1].
        bias: whether the projections have one.
        add_bias_kv: learn one more key and value for every sample.
        add_zero_attn: add one more key and value, of zeros.
        kdim, vdim: features of key and value. Default: `embed_dim`.
        batch_first: inputs are `(N, L, E)` instead of `(L, N, E)`.

    Shape:
        in_proj_weight `(3 * embed_dim, embed_dim)`, or q_proj_weight `(embed_dim, embed_dim)`,
        k_proj_weight `(embed_dim, kdim)` and v_proj_weight `(embed_dim, vdim)` where the sizes
        differ; in_proj_bias `(3 * embed_dim)`, bias_k and bias_v `(1, 1, embed_dim)`.

    Source: Vaswani et al., Attention Is All You Need, 2017.
    """

    __constants__ = ["batch_first"]
    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = kdim if kdim is not None else embed_dim
        self.vdim = vdim if vdim is not None else embed_dim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        factory = {"device": device, "dtype": dtype}
        self._make_projections(bias, factory)
        self.bias_k = self.bias_v = None
        if add_bias_kv:
            self.bias_k = Parameter(empty((1, 1, embed_dim), **factory))
            self.bias_v = Parameter(empty((1, 1, embed_dim), **factory))
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _make_projections(self, bias: bool, factory: dict[str, Any]) -> None:
        size = self.embed_dim
        if self._qkv_same_embed_dim:
            shapes = {"in_proj_weight": (3 * size, size)}
            order = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        else:
            shapes = {
                "q_proj_weight": (size, size),
                "k_proj_weight": (size, self.kdim),
                "v_proj_weight": (size, self.vdim),
            }
            order = (*shapes, "in_proj_weight")
        if bias:
            shapes["in_proj_bias"] = (3 * size,)
        for name in (*order, "in_proj_bias"):
            weight = Parameter(empty(shapes[name], **factory)) if name in shapes else None
            self.register_parameter(name, weight)
        self.out_proj = NonDynamicallyQuantizableLinear(size, size, bias=bias, **factory)

    def _reset_parameters(self) -> None:
        for weight in (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        ):
            if weight is not None:
                xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            constant_(self.in_proj_bias, 0.0)
            constant_(self.out_proj.bias, 0.0)
        for weight in (self.bias_k, self.bias_v):
            if weight is not None:
                xavier_normal_(weight)

    def __setstate__(self, state: dict) -> None:
        state.setdefault("_qkv_same_embed_dim", True)
        super().__setstate__(state)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """What each query finds, and the weights it gave to the keys (None without `need_weights`).

        Args:
            key_padding_mask: keys to leave out: true, or numbers to add to the scores.
            attn_mask: pairs to leave out: true, or numbers to add to the scores.
            average_attn_weights: return the weights' mean over the heads.
            is_causal: a hint that `attn_mask` is the causal mask.

        Shape:
            query `(L, E)`, `(L, N, E)` or with `batch_first` `(N, L, E)`; key and value the same
            with S, kdim and vdim; key_padding_mask `(S)` or `(N, S)`; attn_mask `(L, S)` or
            `(N * num_heads, L, S)`.
            Output as query; weights `(L, S)`, `(N, L, S)` or, not averaged, `(N, num_heads, L, S)`.
        """
        key_padding_mask = F._canonical_mask(
            key_padding_mask,
            "key_padding_mask",
            F._none_or_dtype(attn_mask),
            "attn_mask",
            query.dtype,
        )
        attn_mask = F._canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        swap = self.batch_first and query.dim() == 3
        if swap:
            query, key, value = (x.transpose(1, 0) for x in (query, key, value))
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(1, 0) if swap else output), weights

    def merge_masks(
        self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, query: Tensor
    ) -> tuple[Tensor | None, int | None]:
        """Both masks as one, and its kind: 1 padding alone, 2 with an attention mask, or None."""
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, length = query.shape[:2]
        if attn_mask.dim() == 3:
            merged = attn_mask.view(batch, -1, length, length)
        else:
            merged = attn_mask.view(1, 1, length, length).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            padding = key_padding_mask.view(batch, 1, 1, length).expand(-1, self.num_heads, -1, -1)
            merged = merged + padding
        return merged, 2
