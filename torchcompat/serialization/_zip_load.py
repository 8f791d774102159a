"""Loading torch's zip format."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from torchcompat.serialization._location import is_meta, restorer
from torchcompat.serialization._messages import UNSAFE
from torchcompat.serialization._options import default_byte_order
from torchcompat.serialization._source import Extent, Source, fetch
from torchcompat.serialization._storages import Request, StorageTable
from torchcompat.serialization._zip_read import ZipReader, check_crc

# Builds the unpickler of a pickle: (stream, size, persistent_load) -> object with `load()`.
MakeUnpickler = Callable[[Any, int, Callable[[tuple], Any]], Any]


def load_zip(
    source: Source,
    make_unpickler: MakeUnpickler,
    map_location: Any,
    mapped: bool,
    weights_only: bool,
) -> Any:
    """The object in a torch archive.

    Args:
        mapped: use the file's pages as the storages' memory. The CRC-32 of a storage is verified
            when it is read, and not when it is mapped: that would read the whole file.
    """
    archive = ZipReader(source)
    if "constants.pkl" in archive:
        _refuse_torchscript(weights_only)
    blocks = {} if is_meta(map_location) else _storage_blocks(archive, source, mapped)
    table = StorageTable(_Blocks(archive, blocks), restorer(map_location), _is_swapped(archive))
    data = archive.read("data.pkl")
    return make_unpickler(io.BytesIO(data), len(data), table).load()


class _Blocks:
    """The bytes of the storage that a persistent id asks for."""

    def __init__(self, archive: ZipReader, blocks: dict[str, np.ndarray]) -> None:
        self._archive = archive
        self._blocks = blocks

    def __call__(self, request: Request) -> np.ndarray | None:
        name = f"data/{request.key}"
        record = self._archive.records.get(name)
        if record is None:
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found")
        if request.nbytes > record.size:
            raise RuntimeError(
                f"record {record.name!r} holds {record.size} bytes, but the checkpoint says that "
                f"its storage has {request.nbytes}. The file might be corrupted."
            )
        block = self._blocks.get(name)
        return None if block is None else block[: request.nbytes]


def _storage_blocks(archive: ZipReader, source: Source, mapped: bool) -> dict[str, np.ndarray]:
    names = [name for name in archive.records if name.startswith("data/")]
    records = [archive.records[name] for name in names]
    extents = [Extent(record.offset, record.size) for record in records]
    blocks = fetch(source, extents, mapped)
    for record, block in zip(records, blocks):
        if not block.mapped:
            check_crc(record, block.data)
    return {name: block.data for name, block in zip(names, blocks)}


def _is_swapped(archive: ZipReader) -> bool:
    if "byteorder" not in archive:
        return sys.byteorder != default_byte_order()
    order = archive.read("byteorder")
    if order not in (b"little", b"big"):
        raise ValueError(f"Unknown endianness type: {order[:80]!r}")
    return order.decode() != sys.byteorder


def _refuse_torchscript(weights_only: bool) -> None:
    if weights_only:
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. "
            + UNSAFE
        )
    raise NotImplementedError("torch.load: the file is a TorchScript archive")
