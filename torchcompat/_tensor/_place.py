"""How a new tensor comes to be: from a host array in eager mode, from XLA under tracing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _device, _dtype
from torchcompat._device import device as Device
from torchcompat._dtype import dtype as Dtype
from torchcompat._layout import contiguous_strides
from torchcompat._memory_format import layout as Layout
from torchcompat._memory_format import memory_format, preserve_format, strided, strides_for
from torchcompat._random import is_staging
from torchcompat._tensor import _faces
from torchcompat._tensor._convert import as_dtype, jax_device
from torchcompat._tensor._tensor import Tensor, from_cell, wrap


def resolve(where: Any) -> Device | None:
    """The device asked for, or the default one; None where JAX's own default will do."""
    if where is None:
        return _device._default
    return _device.device(where)


def put(host: np.ndarray, where: Device | None = None) -> Tensor:
    """A tensor of `host`, which nobody may write to afterwards (on the CPU it may be shared)."""
    if where is not None and where.type == "meta":
        return wrap(jax.ShapeDtypeStruct(host.shape, host.dtype))
    with jax.enable_x64(True):
        if is_staging():
            return wrap(jnp.asarray(host))
        target = None if where is None else jax_device(where)
        # A committed array refuses company on other devices, so commit only where it matters.
        if target is None or target == _default_jax_device():
            return wrap(jax.device_put(host))
        return wrap(jax.device_put(host, target))


def _default_jax_device() -> jax.Device:
    chosen = jax.config.jax_default_device  # type: ignore[attr-defined]
    return chosen if isinstance(chosen, jax.Device) else jax.local_devices()[0]


def make(
    size: tuple[int, ...],
    kind: Dtype,
    on_host: Callable[[], np.ndarray],
    in_xla: Callable[[], jax.Array],
    where: Device | None,
) -> Tensor:
    """A tensor that `on_host` computes in eager mode and `in_xla` under tracing."""
    if where is not None and where.type == "meta":
        return wrap(jax.ShapeDtypeStruct(size, kind.numpy))
    if is_staging():
        with jax.enable_x64(True):
            return wrap(in_xla())
    return put(on_host(), where)


def finish(
    result: Tensor,
    requires_grad: bool,
    out: Any = None,
    layout: Layout | None = None,
    name: str = "empty",
) -> Tensor:
    """Writes `result` of the function `name` into `out` where given and sets its gradient flag.

    Raises:
        NotImplementedError: `layout` is not the strided one.
        RuntimeError: `out` has another type, or requires a gradient.
    """
    if layout is not None and layout is not strided:
        raise NotImplementedError(f"layout={layout}: tensors are strided here")
    if out is not None:
        _faces.check_out(f"aten::{name}", (out,))
        if out.dtype is not result.dtype:
            raise RuntimeError(
                f"dtype {_dtype.scalar_name(result.dtype)} does not match dtype of out parameter "
                f"({_dtype.scalar_name(out.dtype)})"
            )
        result = _faces.into(out, result)
    if requires_grad:
        require_grad(result)
    return result


def laid_like(make: Callable[[tuple], Tensor], input: Any, wanted: memory_format | None) -> Tensor:
    """What `make(size)` gives for the size of `input`, lying in memory as the format says.

    Values are made in the order of memory, so random ones come as torch's.

    Args:
        wanted: None keeps the order of `input`.
    """
    size = tuple(input.shape)
    if not isinstance(input, Tensor):
        return make(size)
    strides = strides_for(wanted or preserve_format, input._layout_now())
    if strides == contiguous_strides(size):
        return make(size)
    order = sorted(range(len(size)), key=lambda d: -strides[d])
    return from_cell(make(tuple(size[d] for d in order))._cell, size, strides)


def require_grad(tensor: Tensor) -> Tensor:
    """Marks a fresh tensor as requiring gradients.

    Raises:
        RuntimeError: its dtype is not floating-point or complex.
    """
    kind = tensor.dtype
    if not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    tensor._requires_grad = True
    return tensor


def kind_of(name: str, dtype: Any, default: Dtype | None = None) -> Dtype:
    """The dtype an argument names, or `default` (the default dtype where that is None too).

    Raises:
        TypeError: `dtype` is something else.
    """
    if dtype is None:
        return default or _dtype.get_default_dtype()
    kind = as_dtype(dtype)
    if kind is None:
        raise TypeError(
            f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
        )
    return kind


def size_of(name: str, size: tuple) -> tuple[int, ...]:
    """A size given as separate numbers or as one sequence.

    Raises:
        TypeError: it holds something that is no whole number.
        RuntimeError: a dimension is negative.
    """
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    elif len(size) == 1 and not _is_whole(size[0]):
        raise TypeError(
            f"{name}(): argument 'size' (position 1) must be tuple of ints, "
            f"not {type(size[0]).__name__}"
        )
    dims = []
    for position, n in enumerate(size, 1):
        if not _is_whole(n):
            raise TypeError(
                f"{name}(): argument 'size' failed to unpack the object at pos {position} with "
                f'error "type must be tuple of ints,but got {type(n).__name__}"'
            )
        dims.append(int(n))
    for n in dims:
        if n < 0 and name == "zeros":
            raise RuntimeError("zeros: Dimension size must be non-negative.")
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {dims}")
    return tuple(dims)


def _is_whole(x: Any) -> bool:
    if isinstance(x, (Tensor, np.ndarray)):
        return len(x.shape) == 0 and "int" in str(x.dtype)
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)
