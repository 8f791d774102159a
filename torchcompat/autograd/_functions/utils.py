"""Sizes under broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

from torchcompat._tensor import Tensor


def maybe_view(tensor: Tensor, size: Sequence[int], check_same_size: bool = True) -> Tensor:
    """The tensor in another size of as many elements; itself if it has that size."""
    if check_same_size and tuple(tensor.shape) == tuple(size):
        return tensor
    return tensor.contiguous().view(size)


def maybe_unexpand(tensor: Tensor, old_size: Sequence[int], check_same_size: bool = True) -> Tensor:
    """The sum of what was expanded from `old_size`, in that size."""
    if check_same_size and tuple(tensor.shape) == tuple(old_size):
        return tensor
    return tensor.sum_to_size(tuple(old_size))
