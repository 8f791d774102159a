"""Making tensors from what a checkpoint records of them: torch's `_rebuild_*` functions.

The one place in this package that constructs a Tensor. Files name these functions
(`torch._utils._rebuild_tensor_v2`) and call them with numbers of their own, so each checks all it
is given before it makes anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _device, _dtype, _layout
from torchcompat._tensor import Cell, Tensor, from_cell, wrap
from torchcompat.nn.parameter import Parameter
from torchcompat.serialization._names import require_dtype
from torchcompat.serialization._storage import TypedStorage, UntypedStorage, put

_MAX_DIMS = 64
_MAX_NUMBER = 1 << 63


def rebuild_tensor(storage: Any, storage_offset: int, size: tuple, stride: tuple) -> Tensor:
    """A tensor over `storage`, as files of torch before 0.4 record it.

    Raises:
        RuntimeError: the layout reaches outside of the storage.
    """
    return _over(storage, _typed(storage), storage_offset, size, stride)


def rebuild_tensor_v2(
    storage: Any,
    storage_offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:
    """A tensor whose dtype is its storage's."""
    dtype = _typed(storage)
    return _finish(_over(storage, dtype, storage_offset, size, stride), requires_grad, metadata)


def rebuild_tensor_v3(
    storage: Any,
    storage_offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    """A tensor of `dtype` over untyped bytes."""
    tensor = _over(storage, require_dtype(dtype), storage_offset, size, stride)
    return _finish(tensor, requires_grad, metadata)


def rebuild_contiguous(storage: Any, dtype: _dtype.dtype, size: tuple[int, ...]) -> Tensor:
    """The tensor that fills a storage in row-major order."""
    return _over(storage, dtype, 0, size, _layout.contiguous_strides(size))


def rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Any:
    """A Parameter over the storage of `data`."""
    if not isinstance(data, Tensor):
        raise UnpicklingError(f"a Parameter's data must be a Tensor, but got {type(data)}")
    return Parameter(data, bool(requires_grad))


def rebuild_parameter_with_state(
    data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any
) -> Any:
    """A Parameter that carries attributes."""
    parameter = rebuild_parameter(data, requires_grad, backward_hooks)
    set_attributes(parameter, state)
    return parameter


def rebuild_meta_tensor_no_storage(
    dtype: Any, size: tuple, stride: tuple, requires_grad: bool
) -> Tensor:
    """A tensor on the `meta` device."""
    dtype = require_dtype(dtype)
    layout = _checked_layout(size, stride, 0)
    storage = UntypedStorage(None, _extent(layout) * dtype.itemsize)
    return _finish(_over(storage, dtype, 0, size, stride), requires_grad, None)


def rebuild_device_tensor(data: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor that a backend without storages (XLA, ...) saved by value; it returns to the CPU."""
    kind = require_dtype(dtype).numpy
    if not isinstance(data, Tensor):
        data = wrap(put(np.asarray(data), _device.device("cpu")))
    return _finish(_map_storage(data, lambda value: value.astype(kind)), requires_grad, None)


def set_attributes(tensor: Tensor, state: Any) -> None:
    """Gives a tensor the attributes that a file records for it.

    Raises:
        UnpicklingError: one would replace a method or property of the tensor.
    """
    plain, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for attributes in (plain or {}, slots or {}):
        if not isinstance(attributes, dict):
            raise UnpicklingError(f"a tensor's state must be a dict, but got {type(attributes)}")
        for name in attributes:
            present = getattr(type(tensor), name, None)
            if name.startswith("__") or callable(present) or hasattr(present, "__set__"):
                raise UnpicklingError(f"a tensor's state may not replace its attribute {name!r}")
        tensor.__dict__.update(attributes)


def _typed(storage: Any) -> _dtype.dtype:
    if isinstance(storage, TypedStorage):
        return storage.dtype
    if isinstance(storage, UntypedStorage):
        return _dtype.BY_NAME["uint8"]
    raise UnpicklingError(f"a tensor's storage must be a storage, but got {type(storage)}")


def _over(storage: Any, dtype: _dtype.dtype, offset: Any, size: Any, stride: Any) -> Tensor:
    """A tensor of `dtype` over a storage, its layout checked against the storage's size."""
    _typed(storage)
    layout = _checked_layout(size, stride, offset)
    needed, held = _extent(layout) * dtype.itemsize, storage.nbytes()
    if needed > held and 0 not in layout[0]:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and "
            f"itemsize {dtype.itemsize} requiring a storage size of {needed} are out of bounds for "
            f"storage of size {held}"
        )
    # A cell shaped like its first whole tensor makes that tensor's reads free.
    whole = offset == 0 and _layout.is_contiguous(layout) and math.prod(layout[0]) > 0
    whole = whole and math.prod(layout[0]) * dtype.itemsize == held
    cell: Cell = storage.cell(dtype, layout[0] if whole else None)
    return from_cell(cell, *layout)


def _checked_layout(size: Any, stride: Any, offset: Any) -> _layout.Layout:
    for what, numbers in (("size", size), ("stride", stride), ("storage offset", (offset,))):
        if not isinstance(numbers, tuple) or len(numbers) > _MAX_DIMS:
            raise UnpicklingError(f"a tensor's {what} must be a tuple of at most {_MAX_DIMS} ints")
        for number in numbers:
            if type(number) is not int or not 0 <= number < _MAX_NUMBER:
                raise UnpicklingError(f"a tensor's {what} holds an invalid number")
    if len(size) != len(stride):
        raise UnpicklingError(f"a tensor has {len(size)} sizes but {len(stride)} strides")
    if math.prod(size) >= _MAX_NUMBER:
        raise UnpicklingError("a tensor's size overflows")
    return tuple(size), tuple(stride), offset


def _extent(layout: _layout.Layout) -> int:
    """Elements from the storage's start to the layout's last one."""
    size, stride, offset = layout
    if 0 in size:
        return 0
    return offset + sum((n - 1) * s for n, s in zip(size, stride)) + 1


def _finish(tensor: Tensor, requires_grad: Any, metadata: Any) -> Tensor:
    if metadata:
        tensor = _apply_bits(tensor, metadata)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def _apply_bits(tensor: Tensor, metadata: Any) -> Tensor:
    """Carries out the conjugation or negation that torch records as a flag on the tensor."""
    if type(metadata) is not dict or not metadata.keys() <= {"conj", "neg"}:
        raise UnpicklingError("a tensor's metadata may hold 'conj' and 'neg' only")
    if metadata.get("conj"):
        tensor = _map_storage(tensor, jnp.conj)
    return _map_storage(tensor, jnp.negative) if metadata.get("neg") else tensor


def _map_storage(tensor: Tensor, function: Callable[[Any], Any]) -> Tensor:
    """`function` of every element, in a storage of its own and never larger than the tensor's."""
    value = tensor._cell.value
    with jax.enable_x64(True):
        if isinstance(value, jax.ShapeDtypeStruct):
            value = jax.eval_shape(function, value)
        else:
            value = function(value)
    return from_cell(Cell(value), tensor.shape, tensor.stride(), tensor.storage_offset())
