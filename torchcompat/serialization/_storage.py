"""Storages as a checkpoint holds them: bytes on a device, and the cells that tensors share.

One storage may be read under several dtypes. Each dtype gets a cell of its own over the same bytes,
so tensors of one dtype alias each other as in torch; tensors of different dtypes start with equal
memory, but a write through one does not show in the other.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from torchcompat import _device, _dtype
from torchcompat._tensor import Cell

_CPU = _device.device("cpu")
_UINT8 = _dtype.BY_NAME["uint8"]


class UntypedStorage:
    """Bytes on a device: what a tensor's elements lie in.

    `map_location` functions receive one for each storage in a file and return it, possibly moved
    with `cpu()`, `cuda()` or `to()`.
    """

    __slots__ = ("_block", "_nbytes", "_where", "_swapped", "_cells")

    def __init__(
        self,
        block: np.ndarray | None,
        nbytes: int,
        where: _device.device = _CPU,
        swapped: bool = False,
    ) -> None:
        """
        Args:
            block: the bytes (uint8), 64-byte aligned to be used in place; None on `meta`.
            swapped: whether elements have the byte order that this machine does not have.
        """
        self._block = block
        self._nbytes = nbytes
        self._where = where
        self._swapped = swapped
        self._cells: dict[_dtype.dtype, Cell] = {}

    @property
    def device(self) -> _device.device:
        """Where the bytes are, or are to be put."""
        return self._where

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._nbytes

    size = __len__ = nbytes

    def element_size(self) -> int:
        """Bytes of one element: 1."""
        return 1

    def to(self, device: Any) -> UntypedStorage:
        """The same bytes on `device`."""
        where = _device.device(device)
        if where == self._where:
            return self
        block = None if where.type == "meta" else self._block
        return UntypedStorage(block, self._nbytes, where, self._swapped)

    def cpu(self) -> UntypedStorage:
        """The same bytes on the CPU."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> UntypedStorage:
        """The same bytes on a GPU."""
        return self.to(_device.device("cuda", device or 0))

    def slice(self, start: int, nbytes: int) -> UntypedStorage | None:
        """A storage of its own over a part of the bytes, or None if they do not reach that far."""
        if start + nbytes > self._nbytes:
            return None
        block = None if self._block is None else self._block[start : start + nbytes]
        return UntypedStorage(block, nbytes, self._where, self._swapped)

    def tolist(self) -> list[int]:
        """The bytes as a list of ints."""
        return np.asarray(self.cell(_UINT8).value).reshape(-1).tolist()

    def __getitem__(self, index: int) -> int:
        return self.tolist()[index]

    def __repr__(self) -> str:
        return f"[torch.storage.UntypedStorage(device={self._where}) of size {self._nbytes}]"

    def cell(self, dtype: _dtype.dtype, shape: tuple[int, ...] | None = None) -> Cell:
        """The cell that holds the bytes as elements of `dtype`, made when first asked for.

        Args:
            shape: the shape to give a new cell's array; one dimension if None.
        """
        found = self._cells.get(dtype)
        if found is None:
            size = (self._nbytes // dtype.itemsize,) if shape is None else shape
            found = self._cells[dtype] = Cell(self._array(dtype, size))
        return found

    def any_cell(self) -> Cell:
        """A cell that holds the bytes: one that tensors share if there is one."""
        return next(iter(self._cells.values()), None) or self.cell(_UINT8)

    def _array(self, dtype: _dtype.dtype, size: tuple[int, ...]) -> Any:
        if self._where.type == "meta" or self._block is None:
            with jax.enable_x64(True):
                return jax.ShapeDtypeStruct(size, dtype.numpy)
        whole = self._nbytes // dtype.itemsize * dtype.itemsize
        values = self._block[:whole].view(dtype.numpy).reshape(size)
        if self._swapped:
            values = values.byteswap()
        if dtype.name == "bool":
            values = _proper_bools(values)
        return put(values, self._where)


class TypedStorage:
    """A storage read as elements of one dtype."""

    __slots__ = ("_storage", "dtype")

    def __init__(self, storage: UntypedStorage, dtype: _dtype.dtype) -> None:
        self._storage = storage
        self.dtype = dtype

    @property
    def device(self) -> _device.device:
        """Where the elements are."""
        return self._storage.device

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._storage

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._storage.nbytes()

    def size(self) -> int:
        """Number of elements."""
        return self.nbytes() // self.dtype.itemsize

    __len__ = size

    def tolist(self) -> list:
        """The elements as a list of Python numbers."""
        return np.asarray(self.cell(self.dtype).value).reshape(-1).tolist()

    def __getitem__(self, index: int) -> Any:
        return self.tolist()[index]

    def __repr__(self) -> str:
        kind = f"dtype={self.dtype}, device={self.device}"
        return f"[torch.storage.TypedStorage({kind}) of size {self.size()}]"

    def cell(self, dtype: _dtype.dtype, shape: tuple[int, ...] | None = None) -> Cell:
        """The cell of the storage's elements; see `UntypedStorage.cell`."""
        return self._storage.cell(dtype, shape)


def _proper_bools(values: np.ndarray) -> np.ndarray:
    """Bools whose bytes are 0 or 1, which is what XLA takes for granted."""
    raw = values.view(np.uint8)
    return values if not raw.size or raw.max() <= 1 else raw != 0


def put(values: np.ndarray, where: _device.device) -> jax.Array:
    """`values` as an array on `where`, without a copy on the CPU where their alignment permits.

    An array for JAX's default device is left uncommitted, so that it goes wherever a computation
    takes it.
    """
    target = _device.to_jax(where)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        return jax.device_put(
            values, None if target == _default_device() else target, may_alias=True
        )


def _default_device() -> jax.Device:
    chosen: Any = jax.config.jax_default_device  # type: ignore[attr-defined]
    if chosen is None:
        return jax.local_devices()[0]
    return jax.devices(chosen)[0] if isinstance(chosen, str) else chosen
