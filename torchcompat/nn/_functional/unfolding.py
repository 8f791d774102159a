"""`unfold` under the name that the tensor method of that name does not use."""

from __future__ import annotations

from collections.abc import Sequence

from torchcompat._tensor import ops
from torchcompat._tensor._tensor import Tensor

Sizes = int | Sequence[int]


def unfold(
    input: Tensor,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """The sliding blocks of a batch of images, one a column.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C * kH * kW, L)` or without N.
    """
    return ops.unfold_blocks(input, kernel_size, dilation, padding, stride)
