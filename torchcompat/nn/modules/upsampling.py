"""Layers that resize; `nn.functional.interpolate` has the maths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn.modules.module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]

Sizes = int | Sequence[int]
Factors = float | Sequence[float]


class Upsample(Module):
    """The input at another spatial size.

    Args:
        size: output size in elements, one for all dimensions or one each.
        scale_factor: output size as a multiple of the input's; give one of the two.
        mode: `nearest`, `linear`, `bilinear`, `bicubic` or `trilinear`.
        align_corners: whether the first and last elements keep their places.
        recompute_scale_factor: take positions from the output's rounded size, not from the factor.

    Shape:
        input `(N, C, *)` with one to three spatial dimensions; output `(N, C, *size)`.

    Example:
        >>> nn.Upsample(scale_factor=2, mode="nearest")(torch.ones(1, 1, 2, 2)).size()
        torch.Size([1, 1, 4, 4])
    """

    __constants__ = [
        "size",
        "scale_factor",
        "mode",
        "align_corners",
        "name",
        "recompute_scale_factor",
    ]
    name: str
    size: Sizes | None
    scale_factor: Factors | None
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None

    def __init__(
        self,
        size: Sizes | None = None,
        scale_factor: Factors | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        self.scale_factor = _floats(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.setdefault("recompute_scale_factor", True)
        super().__setstate__(state)

    def extra_repr(self) -> str:
        target = "size" if self.scale_factor is None else "scale_factor"
        return f"{target}={getattr(self, target)!r}, mode={self.mode!r}"


def _floats(factor: Any) -> Any:
    if isinstance(factor, tuple):
        return tuple(float(one) for one in factor)
    return float(factor) if factor else None


class UpsamplingNearest2d(Upsample):
    """The nearest elements of images at another size; give one of the two.

    Shape:
        input `(N, C, H, W)`; output `(N, C, H_out, W_out)`.
    """

    def __init__(self, size: Sizes | None = None, scale_factor: Factors | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images at another size by bilinear interpolation with aligned corners; give one of the two.

    Shape:
        input `(N, C, H, W)`; output `(N, C, H_out, W_out)`.
    """

    def __init__(self, size: Sizes | None = None, scale_factor: Factors | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
