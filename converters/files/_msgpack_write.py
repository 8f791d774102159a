"""Writing msgpack files that `flax.serialization` reads, one tensor at a time."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from converters.files._items import Item, Progress, silent, split_ties
from converters.files._msgpack import ARRAY, CHUNKED, TIED
from converters.files._trees import nest
from torchcompat.serialization._atomic import write_file

# Flax's limit for the bytes of one array; larger ones are written in parts.
MAX_CHUNK = 1 << 30
_DIGITS = [str(i) for i in range(64)]


def write_msgpack(
    path: str | os.PathLike,
    items: Sequence[Item],
    metadata: dict[str, str] | None = None,
    progress: Progress = silent,
) -> None:
    """Writes nested maps by the dots of the names, as Flax's `msgpack_restore` gives them back.

    Tied tensors are written once, under the first of their names; the others stand where Flax does
    not look, and `open_checkpoint` finds them.

    Args:
        metadata: has no place in the format and is left out.

    Raises:
        ValueError: a name stands for a tensor and for a map.
    """
    kept, others = split_ties(items)
    tree = nest({item.name: item for item in kept})
    write_file(path, lambda file: _Writer(file, others, progress).value(tree))


class _Writer:
    """Puts values into a file in msgpack's encoding."""

    def __init__(self, file: BinaryIO, ties: dict[str, str], progress: Progress) -> None:
        self._file, self._progress = file, progress
        self._ties: dict[str, list[str]] = {}
        for name, kept in ties.items():
            self._ties.setdefault(kept, []).append(name)

    def value(self, x: Any) -> None:
        """Writes a dict, a text, a flag, a size or an item."""
        if isinstance(x, dict):
            self._map(len(x))
            for key, below in x.items():
                self.value(key)
                self.value(below)
        elif isinstance(x, Item):
            self._item(x)
            self._progress(x.name, x.nbytes)
        else:
            self._file.write(_small(x))

    def _item(self, item: Item) -> None:
        tied = self._ties.get(item.name)
        if item.nbytes <= MAX_CHUNK and not tied:
            self._array(item, item.shape, item.nbytes, item.pieces())
            return
        fields: dict[str, Any] = {CHUNKED: True, "shape": dict(zip(_DIGITS, item.shape))}
        if tied:
            fields[TIED] = {str(i): name for i, name in enumerate(tied)}
        self._map(len(fields) + 1)
        for key, what in fields.items():
            self.value(key)
            self.value(what)
        self.value("chunks")
        size, pieces = item.dtype.itemsize, _Cut(item.pieces())
        largest = MAX_CHUNK // size * size
        starts = range(0, item.nbytes, largest) or (0,)
        self._map(len(starts))
        for number, start in enumerate(starts):
            self.value(str(number))
            nbytes = min(largest, item.nbytes - start)
            self._array(item, (nbytes // size,), nbytes, pieces.take(nbytes))

    def _map(self, count: int) -> None:
        self._file.write(_head(count, 0x80, 15, (None, 0xDE, 0xDF)))

    def _array(self, item: Item, shape: tuple, nbytes: int, pieces: Iterable[memoryview]) -> None:
        dims = _head(len(shape), 0x90, 15, (None, 0xDC, 0xDD)) + b"".join(map(_small, shape))
        inner = b"\x93" + dims + _small(item.dtype.name) + struct.pack(">BI", 0xC6, nbytes)
        self._file.write(struct.pack(">BIb", 0xC9, len(inner) + nbytes, ARRAY) + inner)
        self._file.writelines(pieces)


class _Cut:
    """Pieces of bytes, cut anew."""

    def __init__(self, pieces: Iterator[memoryview]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def take(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes."""
        while size:
            piece = self._rest or next(self._pieces)
            self._rest = piece[size:]
            yield piece[:size]
            size -= min(size, len(piece))


def _head(count: int, fixed: int, most: int, codes: tuple) -> bytes:
    """How a length is packed: in the first byte, or after the code for 1, 2 or 4 bytes."""
    if count <= most:
        return bytes([fixed | count])
    for code, form, limit in zip(codes, (">BB", ">BH", ">BI"), (0xFF, 0xFFFF, 0xFFFFFFFF)):
        if code is not None and count <= limit:
            return struct.pack(form, code, count)
    raise ValueError(f"msgpack cannot hold {count} entries")


def _small(x: str | bool | int) -> bytes:
    if isinstance(x, bool):
        return b"\xc3" if x else b"\xc2"
    if isinstance(x, int):
        return bytes([x]) if x <= 0x7F else struct.pack(">BQ", 0xCF, x)
    raw = x.encode()
    return _head(len(raw), 0xA0, 31, (0xD9, 0xDA, 0xDB)) + raw
