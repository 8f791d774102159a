"""Changing the type or place of all members of a module tree."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

import jax
import numpy as np

from torchcompat import _device, _dtype
from torchcompat.__future__ import get_overwrite_module_params_on_conversion
from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._convert import jax_device, parse_module_to
from torchcompat.nn.modules._loading import Loading
from torchcompat.nn.parameter import Parameter

_COMPLEX = (
    "Complex modules are a new feature under active development whose design may change, "
    "and some modules might not work as expected when using complex tensors as parameters or "
    "buffers. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex module "
    "does not work as expected."
)


class Conversions(Loading):
    """`to`, `half`, `cuda`, `to_empty` and the like: all work in place and return the module."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replaces the data of each parameter, gradient and buffer by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, parameter in self._parameters.items():
            if parameter is not None:
                self._parameters[name] = _applied(parameter, fn)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves or casts parameters and buffers; only floating and complex ones change dtype.

        Forms: `to(device=None, dtype=None, non_blocking=False)`, `to(dtype, non_blocking=False)`,
        `to(tensor, non_blocking=False)`, `to(memory_format=...)` (accepted; XLA lays arrays out).

        Raises:
            TypeError: the dtype is neither floating point nor complex.
            RuntimeError: a copy is asked for.
        """
        device, dtype, _, _ = parse_module_to(*args, **kwargs)
        if dtype is not None:
            _check_dtype(dtype)

        def convert(tensor: Tensor) -> Tensor:
            changes = tensor.dtype.is_floating_point or tensor.dtype.is_complex
            return _convert(tensor, device, dtype if changes else None)

        return self._apply(convert)

    def _cast_floating(self, dtype: _dtype.dtype) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.dtype.is_floating_point else t)

    def float(self) -> Self:
        """Casts all floating-point parameters and buffers to float32."""
        return self._cast_floating(_dtype.float32)

    def double(self) -> Self:
        """Casts all floating-point parameters and buffers to float64."""
        return self._cast_floating(_dtype.float64)

    def half(self) -> Self:
        """Casts all floating-point parameters and buffers to float16."""
        return self._cast_floating(_dtype.float16)

    def bfloat16(self) -> Self:
        """Casts all floating-point parameters and buffers to bfloat16."""
        return self._cast_floating(_dtype.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """Casts all parameters and buffers to a dtype or a type such as "torch.FloatTensor"."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Self:
        """Moves all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Moves all parameters and buffers to a GPU (default: the first)."""
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device: Any = None) -> Self:
        """Moves all parameters and buffers to an XPU."""
        return self._to_kind("xpu", device)

    def ipu(self, device: Any = None) -> Self:
        """Moves all parameters and buffers to an IPU."""
        return self._to_kind("ipu", device)

    def mtia(self, device: Any = None) -> Self:
        """Moves all parameters and buffers to an MTIA device."""
        return self._to_kind("mtia", device)

    def _to_kind(self, kind: str, device: Any) -> Self:
        numbered = device is None or isinstance(device, int)
        where = _device.device(kind, device) if numbered else _device.device(device)
        return self._apply(lambda t: t.to(where))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Moves all parameters and buffers to `device` without their values."""
        where = None if device is None else _device.device(device)
        return self._apply(lambda t: _empty_like(t, where), recurse)

    def share_memory(self) -> Self:
        """Returns the module: JAX arrays cannot be shared between processes.

        Raises:
            RuntimeError: a parameter or buffer is not initialized yet.
        """
        return self._apply(lambda t: t.share_memory_())


def _applied(parameter: Tensor, fn: Callable[[Tensor], Tensor]) -> Tensor:
    """The parameter with the data of it and of its gradient replaced; both stay the same objects.

    Under `torch.__future__.set_overwrite_module_params_on_conversion` it is a new parameter.
    """
    grad = parameter.grad
    with no_grad():
        applied = fn(parameter)
        applied_grad = None if grad is None else fn(grad)
    if get_overwrite_module_params_on_conversion():
        parameter = Parameter(applied, parameter.requires_grad)
        if applied_grad is not None:
            parameter.grad = applied_grad.requires_grad_(grad.requires_grad)
        return parameter
    _take(parameter, applied)
    if grad is not None and applied_grad is not None:
        _take(grad, applied_grad)
    return parameter


def _take(tensor: Tensor, applied: Tensor) -> None:
    if applied is not tensor and applied._cell is not tensor._cell:
        tensor.data = applied


def _check_dtype(dtype: _dtype.dtype) -> None:
    if not (dtype.is_floating_point or dtype.is_complex):
        raise TypeError(
            "nn.Module.to only accepts floating point or complex dtypes, but got desired "
            f"dtype={dtype}"
        )
    if dtype.is_complex:
        warnings.warn(_COMPLEX, stacklevel=3)


def _convert(tensor: Tensor, device: Any, dtype: Any) -> Tensor:
    try:
        return tensor.to(device, dtype)
    except NotImplementedError as error:
        if str(error) != "Cannot copy out of meta tensor; no data!":
            raise
        raise NotImplementedError(
            f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when "
            "moving module from meta to a different device."
        ) from None


def _empty_like(tensor: Tensor, device: Any) -> Tensor:
    where = tensor.device if device is None else device
    shape, kind = tuple(tensor.shape), tensor.dtype.numpy
    if where.type == "meta":
        return wrap(jax.ShapeDtypeStruct(shape, kind))
    with jax.enable_x64(True):
        return wrap(jax.device_put(np.zeros(shape, kind), jax_device(where)))
