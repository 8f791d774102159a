"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torchcompat._device import device as Device
from torchcompat._tensor import Tensor, ops
from torchcompat.nn.modules._attributes import typename


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters in one vector, in order.

    Raises:
        TypeError: the parameters are on different devices.
    """
    parts, place = [], None
    for parameter in parameters:
        place = _check_param_device(parameter, place)
        parts.append(parameter.view(-1))
    return ops.cat(parts)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Has each parameter view its part of `vec`, in order.

    Raises:
        TypeError: `vec` is no tensor, or the parameters are on different devices.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    place, start = None, 0
    for parameter in parameters:
        place = _check_param_device(parameter, place)
        end = start + parameter.numel()
        parameter.data = vec[start:end].view_as(parameter).data
        start = end


def _check_param_device(param: Any, old_param_device: Device | None) -> Device:
    """The device of the first parameter; raises if this one is elsewhere."""
    if old_param_device is None:
        return param.device
    if param.device != old_param_device:
        raise TypeError(
            "Found two parameters on different devices, this is currently not supported."
        )
    return old_param_device
