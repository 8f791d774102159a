"""Dropout layers: active in training mode only."""

from __future__ import annotations

from collections.abc import Callable

from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn.modules.module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _DropoutNd(Module):
    """Holds the probability and applies the functional of a subclass.

    Args:
        p: probability in [0, 1] that something is dropped.
        inplace: overwrite the input.
    """

    __constants__ = ["p", "inplace"]
    p: float
    inplace: bool
    _functional: Callable

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return self._functional(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zeroes each element with probability `p` and scales the rest by `1 / (1 - p)`.

    Shape:
        input `(*)`; output `(*)`.
    """

    _functional = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """Zeroes whole channels with probability `p`.

    Shape:
        input `(N, C, L)` or `(C, L)`; output as input.
    """

    _functional = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """Zeroes whole channels with probability `p`.

    Shape:
        input `(N, C, H, W)` or `(N, C, L)`; output as input.
    """

    _functional = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """Zeroes whole channels with probability `p`.

    Shape:
        input `(N, C, D, H, W)` or `(C, D, H, W)`; output as input.
    """

    _functional = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """Sets elements to SELU's limit with probability `p`; keeps mean 0 and variance 1.

    Shape:
        input `(*)`; output `(*)`.
    """

    _functional = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels.

    Shape:
        input `(N, C, *)`; output as input.
    """

    _functional = staticmethod(F.feature_alpha_dropout)
