"""Normalisation of a layer, of groups of channels, by root mean square and by neighbours."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._creation import empty
from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn import init
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


def _shape_tuple(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, numbers.Integral) else tuple(shape)


class _ChannelsNorm(Module):
    """State of the layers that divide a channel by what is around it."""

    size: int
    alpha: float
    beta: float
    k: float

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_ChannelsNorm):
    """Divides each channel by a power of the mean square of the channels around it.

    Args:
        size: how many channels count as neighbours.
        alpha, beta, k: divisor `(k + alpha * mean square) ** beta`.

    Shape:
        input `(N, C, *)`; output as input.
    """

    __constants__ = ["size", "alpha", "beta", "k"]

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(_ChannelsNorm):
    """Lua Torch's local response normalisation of images, its odd windows included.

    Unlike in `LocalResponseNorm`, the first channel counts as everyone's neighbour.

    Shape:
        input `(N, C, H, W)`; output as input.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        return ops.cross_map_lrn2d(input, self.size, self.alpha, self.beta, self.k)


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last dimensions, then `* weight + bias`.

    Args:
        normalized_shape: the size of those dimensions.
        eps: added to the variance.
        elementwise_affine: whether there is a weight; `bias`, whether there is also a bias.

    Shape:
        input `(*, *normalized_shape)`; output as input; weight and bias `normalized_shape`.

    Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]
    normalized_shape: tuple[int, ...]
    eps: float
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        _register(self, "weight", elementwise_affine, self.normalized_shape, device, dtype)
        _register(self, "bias", elementwise_affine and bias, self.normalized_shape, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to ones and the bias to zeros."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


def _register(
    module: Module, name: str, present: bool, shape: tuple[int, ...], device: Any, dtype: Any
) -> None:
    held = Parameter(empty(shape, device=device, dtype=dtype)) if present else None
    module.register_parameter(name, held)


def _reset_affine(module: Module) -> None:
    if module.weight is not None:
        init.ones_(module.weight)
    if module.bias is not None:
        init.zeros_(module.bias)


class GroupNorm(Module):
    """Mean 0 and variance 1 over each group of channels, then `* weight + bias`.

    Args:
        num_groups: how many groups the `num_channels` channels form.
        eps: added to the variance.
        affine: whether there is a weight; `bias`, whether there is also a bias.

    Shape:
        input `(N, C, *)`; output as input; weight and bias `(C)`.

    Raises:
        ValueError: `num_groups` does not divide `num_channels`.

    Source: Wu and He, "Group Normalization", 2018.
    """

    __constants__ = ["num_groups", "num_channels", "eps", "affine"]
    num_groups: int
    num_channels: int
    eps: float
    affine: bool

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        _register(self, "weight", affine, (num_channels,), device, dtype)
        _register(self, "bias", affine and bias, (num_channels,), device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to ones and the bias to zeros."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides by the root of the mean square over the last dimensions, then `* weight`.

    Args:
        normalized_shape: the size of those dimensions.
        eps: added to the mean square; None for the machine epsilon of the type computed in.
        elementwise_affine: whether there is a weight.

    Shape:
        input `(*, *normalized_shape)`; output as input; weight `normalized_shape`.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]
    normalized_shape: tuple[int, ...]
    eps: float | None
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        _register(self, "weight", elementwise_affine, self.normalized_shape, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to ones."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
