"""torch's own files, opened without their data; no code in a pickle is ever run."""

from __future__ import annotations

import io
import os
from pickle import UnpicklingError
from typing import Any, NamedTuple

from converters.files._checkpoint import Checkpoint, TensorInfo
from torchcompat._tensor import Tensor, from_cell
from torchcompat.serialization import load
from torchcompat.serialization._messages import weights_only_error
from torchcompat.serialization._source import Extent, PathSource, fetch
from torchcompat.serialization._storage import UntypedStorage
from torchcompat.serialization._storages import Request, StorageTable
from torchcompat.serialization._unpickler import WeightsUnpickler
from torchcompat.serialization._zip_load import _is_swapped, _refuse_torchscript
from torchcompat.serialization._zip_read import ZipReader, check_crc

_EXTRA_STATE = "_extra_state"


class _Home(NamedTuple):
    """Where a storage lies in the archive."""

    key: str
    nbytes: int


class _Table(StorageTable):
    """Storages without data, and which storage each cell belongs to."""

    def __init__(self) -> None:
        super().__init__(lambda request: None, lambda storage, tag: storage.to("meta"))
        self._homes: list[tuple[UntypedStorage, _Home]] = []

    def _make(self, request: Request) -> UntypedStorage:
        made = super()._make(request)
        self._homes.append((made, _Home(request.key, request.nbytes)))
        return made

    def homes(self) -> dict[int, _Home]:
        """From a cell's `id` to its storage."""
        return {id(cell): home for storage, home in self._homes for cell in storage._cells.values()}


class TorchZip(Checkpoint):
    """What `torch.save` writes today: storages are read from the archive as they are asked for.

    Raises:
        pickle.UnpicklingError: the pickle names something that `weights_only=True` refuses.
    """

    format = "torch zip"

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__()
        self._path = os.fspath(path)
        self._source = PathSource(path)
        try:
            self._archive = ZipReader(self._source)
            if "constants.pkl" in self._archive:
                _refuse_torchscript(True)
            self._swapped = _is_swapped(self._archive)
            self._table = _Table()
            self._tensors = _collect(self, self._unpickle(), self._path)
        except BaseException:
            self._source.close()
            raise
        self._homes = self._table.homes()
        self._whole: dict[str, Tensor] | None = None

    def _unpickle(self) -> Any:
        data = self._archive.read("data.pkl")
        try:
            return WeightsUnpickler(io.BytesIO(data), len(data), self._table, "utf-8").load()
        except UnpicklingError as error:
            raise weights_only_error(error) from None

    def read(self, name: str) -> Tensor:
        tensor = self._tensors[name]
        home = self._homes.get(id(tensor._cell))
        if home is None:  # stored with a flag (conjugate, negative) that loading carries out
            return self._from_whole(name)
        record = self._archive.records.get(f"data/{home.key}")
        if record is None or record.size < home.nbytes:
            return self._from_whole(name)  # raises what `load` raises for a damaged file
        first, last = _reach(tensor)
        size = tensor.dtype.itemsize
        if (last - first) * size == record.size:
            block = fetch(self._source, [Extent(record.offset, record.size)], False)[0].data
            check_crc(record, block)
        else:
            extent = Extent(record.offset + first * size, (last - first) * size)
            block = fetch(self._source, [extent], False)[0].data
        storage = UntypedStorage(block, len(block), swapped=self._swapped)
        offset = tensor.storage_offset() - first
        shape, stride = tuple(tensor.shape), tuple(tensor.stride())
        whole = tensor.is_contiguous() and tensor.numel() * size == len(block)
        return from_cell(
            storage.cell(tensor.dtype, shape if whole else None), shape, stride, offset
        )

    def _from_whole(self, name: str) -> Tensor:
        if self._whole is None:
            self._whole = _collect(Checkpoint(), load(self._path, "cpu"), self._path)
        return self._whole[name]

    def close(self) -> None:
        self._source.close()


class TorchLegacy(Checkpoint):
    """What torch wrote before 1.6. The first tensor that is asked for reads the whole file."""

    format = "torch legacy"

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__()
        self._path = os.fspath(path)
        _collect(self, load(path, "meta"), self._path)
        self._whole: dict[str, Tensor] | None = None

    def read(self, name: str) -> Tensor:
        if self._whole is None:
            self._whole = _collect(Checkpoint(), load(self._path, "cpu"), self._path)
        return self._whole[name]

    def close(self) -> None:
        self._whole = None


def _reach(tensor: Tensor) -> tuple[int, int]:
    """The first element of the storage that a tensor uses, and one past the last."""
    first = tensor.storage_offset()
    if 0 in tensor.shape:
        return first, first
    return first, first + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride())) + 1


def _collect(into: Checkpoint, obj: Any, path: str) -> dict[str, Tensor]:
    """Enters the tensors of a nested object; returns them by name."""
    tensors: dict[str, Tensor] = {}
    into.versions = getattr(obj, "_metadata", None)
    below: dict[str, Any] = {}
    _walk(obj, "", tensors, into.other)
    if isinstance(obj, dict):
        for key, value in obj.items():
            if isinstance(value, (dict, list, tuple)) and _has_tensors(value):
                into.nested.append(str(key))
                below[str(key)] = getattr(value, "_metadata", None)
    into.versions_below = below  # type: ignore[attr-defined]
    for name, tensor in tensors.items():
        layout = (tensor.storage_offset(), tuple(tensor.shape), tuple(tensor.stride()))
        tie = (path, id(tensor._cell), *layout)
        into.infos[name] = TensorInfo(tensor.dtype, tuple(tensor.shape), tie, path)
    return tensors


def _walk(obj: Any, name: str, tensors: dict[str, Tensor], other: dict[str, Any]) -> None:
    if isinstance(obj, Tensor):
        _enter(tensors, other, name or "tensor", obj, tensors)
        return
    items: Any = None
    if isinstance(obj, dict) and not name.endswith(_EXTRA_STATE):
        items = obj.items()
    elif isinstance(obj, (list, tuple)) and _has_tensors(obj):
        items = enumerate(obj)
    if items is None:
        _enter(tensors, other, name, obj, other)
        return
    for key, value in items:
        _walk(value, f"{name}.{key}" if name else str(key), tensors, other)


def _enter(tensors: dict, other: dict, name: str, value: Any, home: dict) -> None:
    if name in tensors or name in other:
        raise ValueError(f"the checkpoint has two entries called {name!r} once its keys are joined")
    home[name] = value


def _has_tensors(obj: Any) -> bool:
    if isinstance(obj, dict):
        return any(map(_has_tensors, obj.values()))
    if isinstance(obj, (list, tuple)):
        return any(map(_has_tensors, obj))
    return isinstance(obj, Tensor)
