"""Storages as objects: what `storage()`, `untyped_storage()`, `set_` and `data_ptr` deal in.

A storage is a `Cell`. JAX arrays move when they are written to, so addresses are made up: each cell
has a range of its own that stays the same, which is what code that compares addresses relies on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from torchcompat import _device, _dtype, _layout
from torchcompat._ops import slicing
from torchcompat._tensor._bits import BitCell, turned
from torchcompat._tensor._cell import Cell
from torchcompat._tensor._convert import convert
from torchcompat._tensor._memory import adopt, grown
from torchcompat._tensor._place import put
from torchcompat._tensor._tensor import Tensor, from_cell, wrap

__all__ = ["TypedStorage", "UntypedStorage", "is_storage"]

# Room for a tebibyte between the made-up addresses of two storages.
_ADDRESS_BITS = 40


def address(cell: Cell) -> int:
    """The made-up address of a storage; 0 where it is empty."""
    return 0 if math.prod(cell.value.shape) == 0 else cell.serial << _ADDRESS_BITS


def _fresh(data: Any, kind: Any) -> np.ndarray:
    """The elements of a sequence, or as many zeros as a number says."""
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    return np.zeros(data, kind) if isinstance(data, int) else np.asarray(data, kind)


class UntypedStorage:
    """The bytes behind tensors. Two are equal if they are the same storage.

    Args:
        size: how many bytes a new storage has, or a sequence of them.
    """

    __slots__ = ("_cell",)

    def __init__(self, size: Any = 0, *, device: Any = None) -> None:
        self._cell = put(_fresh(size, np.uint8), device and _device.device(device))._cell

    @classmethod
    def _of(cls, cell: Cell) -> UntypedStorage:
        self = object.__new__(cls)
        self._cell = cell.root
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._cell is self._cell

    def __hash__(self) -> int:
        return id(self._cell)

    @property
    def device(self) -> _device.device:
        """Where the storage lives."""
        return _device.of_array(self._cell.value)

    @property
    def _cdata(self) -> int:
        return id(self._cell)

    def data_ptr(self) -> int:
        """A number that no other storage in this process has, standing for its address."""
        return address(self._cell)

    def nbytes(self) -> int:
        """Bytes held."""
        value = self._cell.value
        return math.prod(value.shape) * value.dtype.itemsize

    size = __len__ = nbytes

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def element_size(self) -> int:
        """1: the elements are bytes."""
        return 1

    def is_shared(self) -> bool:
        """False: no other process sees it."""
        return False

    def _bytes(self) -> Tensor:
        cell = self._cell
        return wrap_cell(
            cell if cell.value.dtype == np.uint8 else BitCell(cell, np.dtype(np.uint8))
        )

    def __getitem__(self, index: Any) -> Any:
        found = self._bytes()[index]
        return UntypedStorage._of(found.clone()._cell) if isinstance(index, slice) else found.item()

    def __setitem__(self, index: Any, value: int) -> None:
        self._bytes()[index] = value

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes().tolist()

    def fill_(self, value: int) -> UntypedStorage:
        """Writes one byte everywhere."""
        self._bytes().fill_(value)
        return self

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """Writes the bytes of another storage of the same size."""
        self._bytes().copy_(source._bytes())
        return self

    def clone(self) -> UntypedStorage:
        """A storage of its own with the same bytes."""
        return UntypedStorage._of(wrap_cell(self._cell).clone()._cell)

    def cpu(self) -> UntypedStorage:
        """The storage in the host's memory."""
        return UntypedStorage._of(convert(wrap_cell(self._cell), None, _device.device("cpu"))._cell)

    def untyped(self) -> UntypedStorage:
        """Itself."""
        return self

    def __repr__(self) -> str:
        rows = "".join(f" {byte}\n" for byte in self.tolist())
        return f"{rows}[torch.storage.UntypedStorage(device={self.device}) of size {self.nbytes()}]"


def wrap_cell(cell: Cell) -> Tensor:
    """A tensor that is a whole storage, in one dimension."""
    return from_cell(cell, *_layout.contiguous((math.prod(cell.value.shape),)))


_FORMS = """TypedStorage.__init__ received an invalid combination of arguments. Expected one of:
 * (*, torch.device device, torch.dtype dtype)
 * (int size, *, torch.device device, torch.dtype dtype)
 * (Sequence data, *, torch.device device, torch.dtype dtype)
 * (*, UntypedStorage wrap_storage, torch.dtype dtype)
"""


class TypedStorage:
    """A storage's bytes as elements of one type.

    Args:
        data: how many elements a new storage has, or a sequence of them.
        wrap_storage: the storage, where it is not a new one.
        dtype: the elements' type; the default one if None.

    Raises:
        RuntimeError: a storage is given without a type, or together with data.
    """

    __slots__ = ("_untyped_storage", "dtype")

    def __init__(
        self,
        data: Any = None,
        *,
        wrap_storage: UntypedStorage | None = None,
        dtype: _dtype.dtype | None = None,
        device: Any = None,
    ) -> None:
        if wrap_storage is not None and (dtype is None or data is not None):
            wrong = (
                "Argument 'dtype' must be specified"
                if dtype is None
                else "No positional arguments should be given when using 'wrap_storage'"
            )
            raise RuntimeError(f"{_FORMS}{wrong}")
        self.dtype = dtype or _dtype.get_default_dtype()
        if wrap_storage is None:
            fresh = put(_fresh(0 if data is None else data, self.dtype.numpy), device)
            wrap_storage = UntypedStorage._of(fresh._cell)
        self._untyped_storage = wrap_storage

    def _elements(self) -> Tensor:
        cell, kind = self._untyped_storage._cell, self.dtype.numpy
        return wrap_cell(cell if cell.value.dtype == kind else BitCell(cell, kind))

    @property
    def device(self) -> _device.device:
        """Where the storage lives."""
        return self._untyped_storage.device

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def untyped(self) -> UntypedStorage:
        """The storage itself."""
        return self._untyped_storage

    def data_ptr(self) -> int:
        """A number that stands for the storage's address."""
        return self._untyped_storage.data_ptr()

    def nbytes(self) -> int:
        """Bytes held."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def size(self) -> int:
        """How many elements it holds."""
        return self.nbytes() // self.dtype.itemsize

    _size = __len__ = size

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def is_shared(self) -> bool:
        """False: no other process sees it."""
        return False

    def type(self, dtype: None = None) -> str:
        """The full name of torch's class for such a storage: `torch.FloatStorage`."""
        return f"torch.{self.pickle_storage_type()}"

    def pickle_storage_type(self) -> str:
        """The name of torch's class for such a storage: `FloatStorage`."""
        return f"{_dtype.scalar_name(self.dtype)}Storage"

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._elements().tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: int) -> Any:
        return self._elements()[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._elements()[index] = value

    def fill_(self, value: Any) -> TypedStorage:
        """Writes one value everywhere."""
        self._elements().fill_(value)
        return self

    def copy_(self, source: TypedStorage, non_blocking: bool | None = None) -> TypedStorage:
        """Writes the elements of another storage of the same size."""
        self._elements().copy_(source._elements())
        return self

    def clone(self) -> TypedStorage:
        """A storage of its own with the same elements."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def __repr__(self) -> str:
        rows = "".join(f" {value}\n" for value in self.tolist())
        about = f"dtype={self.dtype}, device={self.device}"
        return f"{rows}[torch.storage.TypedStorage({about}) of size {self.size()}]"


def is_storage(obj: Any) -> bool:
    """Whether `obj` is a storage."""
    return isinstance(obj, (UntypedStorage, TypedStorage))


# -- on Tensor ------------------------------------------------------------------------------------


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes behind the tensor, shared by all its aliases."""
    return UntypedStorage._of(self._cell)


def storage(self: Tensor) -> TypedStorage:
    """The elements behind the tensor, shared by all its aliases."""
    return TypedStorage(wrap_storage=untyped_storage(self), dtype=self.dtype)


def data_ptr(self: Tensor) -> int:
    """A number that stands for the address of the first element; it survives writes."""
    start = address(self._cell.root)
    return start and start + self.storage_offset() * self.dtype.itemsize


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether two tensors are one storage with one size, stride and offset."""
    same = self._cell.root is tensor._cell.root and self.dtype is tensor.dtype
    return same and self._layout_now() == tensor._layout_now()


def set_(
    self: Tensor,
    source: Any = None,
    storage_offset: int = 0,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Makes the tensor an alias of a tensor or a storage; without a source, empty.

    Args:
        storage_offset, size, stride: where and how it lies in a storage.
    """
    self._end = None  # as in torch, a graph recorded before leads to what the tensor was
    if source is None:
        return adopt(self, wrap_like(self)._cell, _layout.contiguous((0,)))
    if isinstance(source, Tensor) and size is None:
        _check_type(self, source.dtype)
        # Whether numbers are seen as conjugates, or with the other sign, is the tensor's own.
        cell: Any = source._cell
        if turned(source):
            cell = cell.source
        own = turned(self)
        return adopt(self, BitCell(cell, own) if own else cell, source._layout_now())
    if isinstance(source, Tensor):
        source = source.storage()
    kind = source.dtype if isinstance(source, TypedStorage) else self.dtype
    _check_type(self, kind)
    elements = TypedStorage(wrap_storage=source.untyped(), dtype=kind)._elements()
    size = (elements.numel() - storage_offset,) if size is None else tuple(size)
    stride = _layout.contiguous_strides(size) if stride is None else tuple(stride)
    slicing.check_strided(size, stride, storage_offset)
    layout = size, stride, storage_offset
    missing = slicing.extent(*layout) - elements.numel()
    cell = elements._cell
    return adopt(self, grown(cell, elements.numel() + missing) if missing > 0 else cell, layout)


def wrap_like(tensor: Tensor) -> Tensor:
    """An empty tensor of the same type and place."""
    if tensor.is_meta:
        return wrap(jax.ShapeDtypeStruct((0,), tensor.dtype.numpy))
    return put(np.zeros(0, tensor.dtype.numpy), tensor.device)


def _check_type(self: Tensor, kind: _dtype.dtype) -> None:
    if kind is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {_dtype_name(kind)} to a tensor of type "
            f"{_dtype_name(self.dtype)}"
        )


def _dtype_name(kind: _dtype.dtype) -> str:
    return {"float64": "double", "float32": "float", "int32": "int", "int64": "long"}.get(
        kind.name, kind.name
    )


def share_memory_(self: Tensor) -> Tensor:
    """Itself: JAX arrays are not shared between processes."""
    return self


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Itself: JAX copies from the memory it is given."""
    return self


for _function in (
    untyped_storage,
    storage,
    data_ptr,
    is_set_to,
    set_,
    share_memory_,
    pin_memory,
):
    setattr(Tensor, _function.__name__, _function)
Tensor._typed_storage = storage
