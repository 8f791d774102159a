"""Tensors in pieces along a dimension, as views: `split`, `tensor_split`, `hsplit` ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchcompat import _dtype
from torchcompat._ops._common import wrap_dim
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import _freeze, lifted, method
from torchcompat._tensor._shaping import spread
from torchcompat._tensor._spellings import spelled
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "dsplit",
    "hsplit",
    "split",
    "split_with_sizes",
    "tensor_split",
    "unbind",
    "vsplit",
]


@method
@spelled
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension, without that dimension."""
    return ops.unbind(input, dim)


@method
@spelled
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple:
    """Consecutive pieces of the given sizes along a dimension."""
    return ops.split_with_sizes(input, spread((split_sizes,)), dim)


def _split(self: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive pieces along a dimension: of one size, or of each size in a list."""
    if isinstance(split_size, (tuple, list)):
        return split_with_sizes(self, split_size, dim)
    return ops.split_every(self, split_size, dim)


Tensor.split = _split


@lifted
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple:
    """Consecutive pieces along a dimension: of one size, or of each size in a list."""
    return _split(tensor, split_size_or_sections, dim)


@method
@spelled
def tensor_split(
    input: Tensor,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """Pieces along a dimension: so many of nearly equal size, or cut at the given indices."""
    cuts = next(x for x in (indices, sections, indices_or_sections) if x is not None)
    if isinstance(cuts, Tensor) and cuts.dtype is not _dtype.int64:
        raise RuntimeError(
            "tensor_split expected tensor_indices_or_sections to have dtype of long, "
            f"but got {_dtype.scalar_name(cuts.dtype)}"
        )
    cuts = _freeze(cuts)
    if not input.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    room = input.shape[wrap_dim(dim, input.ndim)]
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        small, larger = divmod(room, cuts)
        cuts = [small * i + min(i, larger) for i in range(1, cuts)]
    bounds = zip((0, *cuts), (*cuts, room))
    return tuple(ops.slice_dim(input, dim, start, end, 1) for start, end in bounds)


def _nth_split(name: str, input: Tensor, indices_or_sections: Any, least: int, dim: int) -> tuple:
    cuts = _freeze(indices_or_sections)
    if not isinstance(cuts, (int, tuple)):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got (Tensor, "
            f"{type(cuts).__name__}), but expected one of:\n * (Tensor input, int sections)\n * "
            "(Tensor input, tuple of ints indices)\n"
        )
    if input.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, "
            f"but got a tensor with {input.ndim} dimensions!"
        )
    if isinstance(cuts, int) and (cuts == 0 or input.shape[dim] % cuts):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.shape[dim]} is not divisible by the split_size {cuts}!"
        )
    return tensor_split(input, cuts, dim)


@method
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along the second dimension (the first of a vector)."""
    return _nth_split("hsplit", input, indices_or_sections, 1, int(input.ndim > 1))


@method
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along the first dimension."""
    return _nth_split("vsplit", input, indices_or_sections, 2, 0)


@method
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along the third dimension."""
    return _nth_split("dsplit", input, indices_or_sections, 3, 2)
