"""Channels for pixels and back."""

from __future__ import annotations

from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn.modules.module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Each group of `r^2` channels as blocks of r x r pixels, r = `upscale_factor`.

    Shape:
        input `(*, C * r^2, H, W)`; output `(*, C, H * r, W * r)`.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution", 2016.
    """

    __constants__ = ["upscale_factor"]
    upscale_factor: int

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Blocks of r x r pixels as groups of `r^2` channels, r = `downscale_factor`.

    Shape:
        input `(*, C, H * r, W * r)`; output `(*, C * r^2, H, W)`.
    """

    __constants__ = ["downscale_factor"]
    downscale_factor: int

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
