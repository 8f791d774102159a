"""Memory formats of convolution weights."""

from __future__ import annotations

from typing import Any, TypeVar

from torchcompat.nn.modules.conv import Conv2d, Conv3d
from torchcompat.nn.modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]

_M = TypeVar("_M", bound=Module)


def _convert(module: _M, kinds: tuple[type, ...], memory_format: Any) -> _M:
    if isinstance(module, kinds):
        weight = module.weight.detach().clone(memory_format=memory_format)
        module.weight.data = weight
    for child in module.children():
        _convert(child, kinds, memory_format)
    return module


def convert_conv2d_weight_memory_format(module: _M, memory_format: Any) -> _M:
    """Gives the weight of each 2d convolution under `module` this memory format.

    The values stay as they are, and so does the speed: XLA lays arrays out as it sees fit.
    """
    return _convert(module, (Conv2d,), memory_format)


def convert_conv3d_weight_memory_format(module: _M, memory_format: Any) -> _M:
    """As `convert_conv2d_weight_memory_format`, for 3d convolutions."""
    return _convert(module, (Conv3d,), memory_format)
