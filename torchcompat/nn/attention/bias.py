"""Causal masks for queries and keys of different lengths."""

from __future__ import annotations

import warnings
from enum import IntEnum, auto
from typing import Any

import numpy as np

from torchcompat._tensor import Tensor, register_pytree
from torchcompat._tensor._dispatch import to_tensor
from torchcompat._tensor._subclassing import disabled
from torchcompat._tensor._tensor import blank

__all__ = ["causal_upper_left", "causal_lower_right", "CausalVariant", "CausalBias"]


class CausalVariant(IntEnum):
    """Which corner the diagonal of a causal mask that is not square starts from."""

    UPPER_LEFT = auto()
    LOWER_RIGHT = auto()


class CausalBias(Tensor):
    """A boolean mask that is true where a query may look; for `scaled_dot_product_attention`.

    Args:
        variant: the corner that the diagonal starts from.
        seq_len_q, seq_len_kv: numbers of queries and keys.

    Shape:
        `(seq_len_q, seq_len_kv)`.
    """

    __slots__ = ()
    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    __torch_function__ = disabled

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return blank(cls)

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        self.variant = variant
        self.seq_len_q = seq_len_q
        self.seq_len_kv = seq_len_kv
        if seq_len_q > seq_len_kv and variant == CausalVariant.LOWER_RIGHT:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when "
                "seq_len_q > seq_len_kv!",
                stacklevel=2,
            )
        offset = seq_len_kv - seq_len_q if variant == CausalVariant.LOWER_RIGHT else 0
        self._cell = to_tensor(np.tri(seq_len_q, seq_len_kv, offset, dtype=bool))._cell

    def _materialize(self, device: Any = None) -> Tensor:
        """The mask as a plain tensor."""
        plain = to_tensor(self._read())
        return plain if device is None else plain.to(device)

    def __repr__(self) -> str:
        return repr(self._materialize())

    __str__ = __repr__


register_pytree(CausalBias)


def causal_upper_left(*size: int) -> CausalBias:
    """The mask under which query i sees the keys 0 to i.

    Args:
        size: numbers of queries and keys.
    """
    if len(size) != 2:
        raise AssertionError("causal_upper_left only supports 2D tensors")
    return CausalBias(CausalVariant.UPPER_LEFT, *size)


def causal_lower_right(*size: int) -> CausalBias:
    """The mask under which the last query sees all keys, and each one before it one less.

    Args:
        size: numbers of queries and keys.
    """
    if len(size) != 2:
        raise AssertionError("causal_lower_right only supports 2D tensors")
    return CausalBias(CausalVariant.LOWER_RIGHT, *size)
