"""Padding layers: five ways to fill, over one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn.modules.module import Module
from torchcompat.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

Sizes = int | Sequence[int]


class _PadNd(Module):
    """Pads the last `_spatial` dimensions in the way of `_mode`.

    Args:
        padding: elements a side, one number for all sides or (before, after) of the last dimension,
            then of the one before it, and so on. Negative numbers cut off.

    Shape:
        input `(N, C, *)` or `(C, *)`; output likewise, each dimension longer by its padding.
    """

    __constants__ = ["padding"]
    padding: Sequence[int]
    _spatial: int
    _mode: str

    def __init__(self, padding: Sizes) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._spatial)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        low = self._spatial + 1
        if input.ndim not in (low, low + 1):
            raise ValueError(f"expected {low}D or {low + 1}D input (got {input.ndim}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return super().forward(input)


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class _ConstantPadNd(_PadNd):
    __constants__ = ["padding", "value"]
    value: float
    _mode = "constant"

    def __init__(self, padding: Sizes, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPadNd):
    def __init__(self, padding: Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class CircularPad1d(_CircularPadNd):
    """Wraps the last dimension around."""

    _spatial = 1


class CircularPad2d(_CircularPadNd):
    """Wraps the last two dimensions around."""

    _spatial = 2


class CircularPad3d(_CircularPadNd):
    """Wraps the last three dimensions around."""

    _spatial = 3


class ConstantPad1d(_ConstantPadNd):
    """Pads the last dimension with `value`."""

    _spatial = 1


class ConstantPad2d(_ConstantPadNd):
    """Pads the last two dimensions with `value`."""

    _spatial = 2


class ConstantPad3d(_ConstantPadNd):
    """Pads the last three dimensions with `value`."""

    _spatial = 3


class ReflectionPad1d(_ReflectionPadNd):
    """Mirrors the last dimension at its edges, which are not repeated."""

    _spatial = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Mirrors the last two dimensions at their edges, which are not repeated."""

    _spatial = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirrors the last three dimensions at their edges, which are not repeated."""

    _spatial = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the edges of the last dimension."""

    _spatial = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the edges of the last two dimensions."""

    _spatial = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the edges of the last three dimensions."""

    _spatial = 3


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Pads the last dimension with zeros."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Pads the last two dimensions with zeros."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Pads the last three dimensions with zeros."""
