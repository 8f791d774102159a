"""The pickler: torchcompat's objects under the names that torch's files have for them."""

from __future__ import annotations

import _codecs
import pickle
import sys
from collections import OrderedDict
from types import FunctionType
from typing import Any, BinaryIO

import jax
import numpy as np

from torchcompat import _device, _dtype
from torchcompat._memory_format import layout
from torchcompat._tensor import Cell, Tensor, wrap
from torchcompat._tensor._copying import attributes_of
from torchcompat._tensor._tensor import blank
from torchcompat.nn.modules._tracked import TrackedDict, TrackedOrderedDict
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter
from torchcompat.serialization import _names
from torchcompat.serialization._allowed import GLOBALS
from torchcompat.serialization._location import tag_of
from torchcompat.serialization._storage import TypedStorage, UntypedStorage

_UINT8 = _dtype.BY_NAME["uint8"]


class _Global:
    """A function or class of torch, to be written by name; never called here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise TypeError("a name of torch cannot be called")


def _utils(name: str) -> _Global:
    return _Global("torch._utils", name)


_TENSOR_V2, _TENSOR_V3 = _utils("_rebuild_tensor_v2"), _utils("_rebuild_tensor_v3")
_META = _utils("_rebuild_meta_tensor_no_storage")
_PARAMETER = _utils("_rebuild_parameter")
_PARAMETER_WITH_STATE = _utils("_rebuild_parameter_with_state")
_FROM_TYPE = _Global("torch._tensor", "_rebuild_from_type_v2")
_GET_LAYOUT = _Global("torch.serialization", "_get_layout")
_UNTYPED = _Global("torch.storage", "UntypedStorage")
_STORAGES = {
    _dtype.BY_NAME[dtype]: _Global("torch", storage) for dtype, storage in _names.STORAGE_OF.items()
}
_DTYPES = {one: _Global("torch", one.name) for one in _dtype.BY_NAME.values()}
# Our function or class -> torch's name for it, where the module's path does not tell.
_BY_ID = {
    id(value): _Global(*name.rpartition(".")[::2])
    for name, value in GLOBALS.items()
    if name.startswith("torch.") and isinstance(value, type)
}


class _StorageId:
    """Where a tensor's storage stands in the pickle."""

    def __init__(self, cell: Cell, dtype: _dtype.dtype | None) -> None:
        self.cell, self.dtype = cell, dtype


# The C pickler cannot write a class under another name; typeshed lacks the parts of this one.
_Base: Any = pickle._Pickler  # type: ignore[attr-defined]


class Pickler(_Base):
    """Pickles an object and collects the storages of the tensors in it.

    Equal strings are written once, whether or not they are one object, so the bytes depend on the
    values alone.

    Attributes:
        cells: the storages, in the order of their keys "0", "1", ...
        element_sizes: bytes of one element of each, as the pickle counts them.

    Args:
        with_view: write the persistent ids of the older format, which end with a view (None).
    """

    dispatch: dict[Any, Any] = dict(_Base.dispatch)

    def __init__(self, file: BinaryIO, protocol: int, with_view: bool = False) -> None:
        super().__init__(file, protocol)
        self.cells: list[Cell] = []
        self.element_sizes: list[int] = []
        self._keys: dict[int, str] = {}
        self._with_view = with_view
        self._strings: dict[str, str] = {}

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            return _reduce_tensor(obj)
        if isinstance(obj, Module):
            return _reduce_module(obj, self.proto)
        if isinstance(obj, jax.Array):
            return _reduce_tensor(wrap(obj))
        if isinstance(obj, layout):
            return _GET_LAYOUT, (repr(obj),)
        if isinstance(obj, _device.device):
            return _Global("torch", "device"), _device_arguments(obj)
        return NotImplemented

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, _StorageId):
            return self._storage(obj.cell, obj.dtype)
        if isinstance(obj, TypedStorage):
            dtype = obj.dtype
            return self._storage(obj.cell(dtype), dtype if dtype in _STORAGES else None)
        if isinstance(obj, UntypedStorage):
            return self._storage(obj.any_cell(), None)
        return None

    def _storage(self, cell: Cell, dtype: _dtype.dtype | None) -> tuple:
        key = self._keys.get(id(cell))
        if key is None:
            key = self._keys[id(cell)] = str(len(self.cells))
            self.cells.append(cell)
            self.element_sizes.append(dtype.itemsize if dtype else 1)
        value = cell.value
        if isinstance(value, jax.core.Tracer):
            raise RuntimeError("save: a tensor under JAX tracing has no values to save")
        numel = value.size * (1 if dtype else value.dtype.itemsize)
        kind = _UNTYPED if dtype is None else _STORAGES[dtype]
        found = ("storage", kind, key, tag_of(_device.of_array(value)), numel)
        return (*found, None) if self._with_view else found

    def save_global(self, obj: Any, name: str | None = None) -> None:
        found = _torch_name(obj, name)
        if found is None:
            super().save_global(obj, name)
        else:
            self._save_name(found)
            self.memoize(obj)

    def _save_name(self, found: _Global) -> None:
        if self.proto >= 4:
            self.save(found.module)
            self.save(found.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            name = f"{found.module}\n{found.name}\n"
            self.write(pickle.GLOBAL + name.encode())

    def _save_torch_global(self, obj: _Global) -> None:
        self._save_name(obj)
        self.memoize(obj)

    def _save_string(self, obj: str) -> None:
        obj = self._strings.setdefault(obj, obj)
        known = self.memo.get(id(obj))
        if known is None:
            _Base.save_str(self, obj)
        else:
            self.write(self.get(known[0]))

    def _save_dtype(self, obj: _dtype.dtype) -> None:
        self.save(_DTYPES[obj])

    def _save_bytes(self, obj: bytes) -> None:
        # Python writes b"" as a call of `bytes` in old protocols, which torch does not allow.
        if obj or self.proto >= 3:
            _Base.save_bytes(self, obj)
        else:
            self.save_reduce(_codecs.encode, ("", "latin1"), obj=obj)

    def _save_set(self, obj: set) -> None:
        try:
            items = sorted(obj)
        except TypeError:
            items = list(obj)
        self.save_reduce(set, (items,), obj=obj)

    def _save_unsupported(self, obj: _names.UnsupportedType) -> None:
        self._save_name(_Global("torch", obj.name))
        self.memoize(obj)

    dispatch[_names.UnsupportedType] = _save_unsupported
    dispatch[FunctionType] = save_global
    dispatch[_Global] = _save_torch_global
    dispatch[str] = _save_string
    dispatch[bytes] = _save_bytes
    dispatch[set] = _save_set
    dispatch[_dtype.dtype] = _save_dtype


def _torch_name(obj: Any, name: str | None) -> _Global | None:
    """The name that torch has for a function or class of torchcompat; None for all others."""
    known = _BY_ID.get(id(obj))
    if known is not None:
        return known
    module = getattr(obj, "__module__", None) or ""
    if module != "torchcompat" and not module.startswith("torchcompat."):
        return None
    qualified = name or getattr(obj, "__qualname__", obj.__name__)
    if "._" in module or getattr(sys.modules.get(module), qualified, None) is not obj:
        module = _public_module(obj, qualified) or module
    if "." in qualified or getattr(sys.modules.get(module), qualified, None) is not obj:
        raise pickle.PicklingError(f"Can't pickle {obj!r}: it's not found as {module}.{qualified}")
    return _Global("torch" + module.removeprefix("torchcompat"), qualified)


def _public_module(obj: Any, name: str) -> str | None:
    """The public module that offers what a private one defines; torch has it by that name.

    One that lists the name in `__all__` comes first, then the deepest.
    """
    homes = [
        (name in getattr(module, "__all__", ()), path.count("."), path)
        for path, module in list(sys.modules.items())
        if path.partition(".")[0] == "torchcompat" and "._" not in path
        if vars(module).get(name) is obj
    ]
    return max(homes)[2] if homes else None


def _device_arguments(where: _device.device) -> tuple:
    return (where.type,) if where.index is None else (where.type, where.index)


def _reduce_module(module: Module, protocol: int) -> Any:
    """What the module's class says, in plain dicts where torch lacks the class of ours."""
    reduced = module.__reduce_ex__(protocol)
    if isinstance(reduced, str) or len(reduced) < 3 or not isinstance(reduced[2], dict):
        return reduced
    state = {
        name: _PLAIN_DICTS.get(type(value), lambda same: same)(value)
        for name, value in reduced[2].items()
        if not name.startswith("_tc_")
    }
    return (*reduced[:2], state, *reduced[3:])


_PLAIN_DICTS: dict[type, type] = {TrackedDict: dict, TrackedOrderedDict: OrderedDict}


def _reduce_tensor(tensor: Tensor) -> tuple:
    """`(function, arguments)` that rebuild a tensor, as torch writes them."""
    state = attributes_of(tensor)
    if isinstance(tensor, Parameter) and type(tensor) is Parameter:
        parts: tuple = _plain(tensor), tensor.requires_grad, OrderedDict()
        return (_PARAMETER_WITH_STATE, (*parts, state)) if state else (_PARAMETER, parts)
    function, arguments = _reduce_plain(tensor)
    if state or type(tensor) is not Tensor:
        return _FROM_TYPE, (function, type(tensor), arguments, state)
    return function, arguments


def _plain(tensor: Tensor) -> Tensor:
    """A bare tensor over the same storage and layout; torch saves a Parameter's data as such."""
    data = blank()
    data._cell, data._layout = tensor._cell, tensor._layout
    return data


def _reduce_plain(tensor: Tensor) -> tuple:
    # New tuples: the core's may be one object for equal layouts, and the pickle would show it.
    dtype, size, stride = tensor.dtype, (*tensor.shape,), (*tensor.stride(),)
    if isinstance(tensor._cell.value, jax.ShapeDtypeStruct):
        return _META, (dtype, size, stride, tensor.requires_grad)
    typed = dtype in _STORAGES
    storage = _StorageId(tensor._cell, dtype if typed else None)
    parts: tuple = (
        storage,
        tensor.storage_offset(),
        size,
        stride,
        tensor.requires_grad,
        OrderedDict(),
    )
    return (_TENSOR_V2, parts) if typed else (_TENSOR_V3, (*parts, dtype))


def storage_bytes(cell: Cell) -> memoryview:
    """The bytes of a storage in its element order, little-endian, without a copy on the CPU."""
    array = np.ascontiguousarray(np.asarray(cell.value)).reshape(-1)
    if sys.byteorder != "little":
        array = array.byteswap()
    return array.view(np.uint8).data
