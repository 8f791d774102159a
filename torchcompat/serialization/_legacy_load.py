"""Loading the format that torch wrote before 1.6: five pickles, then the storages in a row."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from torchcompat.serialization._location import is_meta, restorer
from torchcompat.serialization._scan import Scanner
from torchcompat.serialization._source import Extent, Source, fetch
from torchcompat.serialization._storages import Request, StorageTable, parse_request
from torchcompat.serialization._unpickler import WeightsUnpickler
from torchcompat.serialization._zip_load import MakeUnpickler

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001


class _Layout:
    """Where the parts of a file lie, found without building anything that it describes."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size
        self._at = 0
        if self._plain() != MAGIC_NUMBER:
            raise RuntimeError("Invalid magic number; corrupt file?")
        version = self._plain()
        if version != PROTOCOL_VERSION:
            raise RuntimeError(f"Invalid protocol version: {version!r:.80}")
        self._plain()  # the writer's byte order and C type sizes, which change nothing in the file
        self.start = self._at
        scanner = Scanner(stream, size - self._at)
        scanner.load()
        self.end = self._at = self.start + scanner.consumed
        self.requests = {
            request.key: request for request in map(parse_request, scanner.storages.values())
        }
        keys = self._plain()
        if type(keys) is not list or any(type(key) not in (str, bytes) for key in keys):
            raise RuntimeError("the list of storages is damaged; corrupt file?")
        self.keys = [key.decode("ascii") if type(key) is bytes else key for key in keys]
        self.data = self._at

    def _plain(self) -> Any:
        """The next pickle, which holds numbers, strings and containers only."""
        machine = WeightsUnpickler(self._stream, self._size - self._at)
        value = machine.load()
        self._at += machine.consumed
        return value

    def extents(self, source: Source) -> Iterator[Extent]:
        """Where the bytes of each storage in `keys` lie, each checked against the file's size."""
        at = self.data
        for key in self.keys:
            request = self.requests.get(key)
            if request is None:
                raise RuntimeError(f"storage key {key!r:.80} is named by no tensor; corrupt file?")
            count = int.from_bytes(source.read(at, 8), "little")
            missing = at + 8 + request.nbytes - source.size
            if missing > 0:
                raise RuntimeError(
                    f"unexpected EOF, expected {missing} more bytes. The file might be corrupted."
                )
            if count != request.numel:
                raise RuntimeError(
                    f"storage {key!r} has wrong size: expected {request.numel} got {count}"
                )
            yield Extent(at + 8, request.nbytes)
            at += 8 + request.nbytes
        self.finish = at


def load_legacy(
    source: Source, make_unpickler: MakeUnpickler, map_location: Any, mapped: bool
) -> Any:
    """The object in a file of the older format."""
    with source.stream_for_pickles() as stream:
        layout = _Layout(stream, source.size)
    extents = list(layout.extents(source))
    blocks: dict[str, np.ndarray] = {}
    if not is_meta(map_location):
        data = [block.data for block in fetch(source, extents, mapped)]
        blocks = dict(zip(layout.keys, data))
    missing = layout.requests.keys() - set(layout.keys)
    if missing:
        raise RuntimeError(f"the file holds no data for storage {min(missing)!r:.80}")

    def block(request: Request) -> np.ndarray | None:
        return blocks.get(request.key)

    table = StorageTable(block, restorer(map_location), swapped=sys.byteorder != "little")
    pickled = source.read(layout.start, layout.end - layout.start)
    result = make_unpickler(io.BytesIO(pickled), len(pickled), table).load()
    source.finish(layout.finish)
    return result
