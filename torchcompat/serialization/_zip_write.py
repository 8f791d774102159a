"""Writing zip archives laid out as torch's: stored records, each at a 64-byte boundary.

Everything that varies from run to run (times, ids) is fixed, so equal records make equal files.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from torchcompat.serialization._options import get_crc32_options
from torchcompat.serialization._source import ALIGNMENT

_FOLDER = "archive"
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_UTF8, _DESCRIPTOR = 0x800, 0x8


class _Entry(NamedTuple):
    name: bytes
    flags: int
    crc: int
    size: int
    header: int


class ZipWriter:
    """Writes records one after another to a file object, which need not be seekable."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        self._entries: list[_Entry] = []

    def add(self, name: str, data: bytes | memoryview) -> None:
        """Writes a record named `archive/<name>`."""
        data = memoryview(data).cast("B")
        self.add_pieces(name, (data,), len(data))

    def add_pieces(self, name: str, pieces: Iterable[bytes | memoryview], size: int) -> None:
        """Writes a record of `size` bytes that come in pieces."""
        raw_name = f"{_FOLDER}/{name}".encode()
        flags = _UTF8 | (_DESCRIPTOR if size else 0)
        entry = _Entry(raw_name, flags, 0, size, self._at)
        self._write(_local_header(entry))
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc) if get_crc32_options() else 0
            self._write(piece)
        entry = entry._replace(crc=crc)
        self._entries.append(entry)
        if size:
            self._write(_descriptor(entry))

    def finish(self) -> None:
        """Writes the archive's id and its directory."""
        self.add(".data/serialization_id", self._identity())
        start = self._at
        for entry in self._entries:
            self._write(_directory_entry(entry))
        self._write(_end(len(self._entries), start, self._at))

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._at += len(data)

    def _identity(self) -> bytes:
        """Forty digits that depend on the records alone."""
        digest = hashlib.sha256()
        for entry in self._entries:
            digest.update(b"%b\0%d\0%d\0" % (entry.name, entry.size, entry.crc))
        return b"%040d" % (int.from_bytes(digest.digest()[:16], "big") % 10**40)


def _local_header(entry: _Entry) -> bytes:
    """The header before a record, filled up so that the record starts at a boundary."""
    wide = b""
    if entry.size >= _MAX32:
        wide += struct.pack("<QQ", entry.size, 0)
    if entry.header >= _MAX32:
        wide += struct.pack("<Q", entry.header)
    extra = struct.pack("<HH", 1, len(wide)) + wide if wide else b""
    fixed = entry.header + 30 + len(entry.name) + len(extra) + 4
    room = -fixed % ALIGNMENT
    extra += struct.pack("<2sH", b"FB", room) + b"Z" * room
    # Sizes and CRC follow the record, in its descriptor.
    return (
        struct.pack(
            "<4s5H3L2H", b"PK\3\4", 0, entry.flags, 0, 0, 0, 0, 0, 0, len(entry.name), len(extra)
        )
        + entry.name
        + extra
    )


def _descriptor(entry: _Entry) -> bytes:
    wide = entry.size >= _MAX32 or entry.header >= _MAX32
    form = "<4sLQQ" if wide else "<4sLLL"
    return struct.pack(form, b"PK\7\x08", entry.crc, entry.size, entry.size)


def _directory_entry(entry: _Entry) -> bytes:
    wide = b""
    if entry.size >= _MAX32:
        wide += struct.pack("<QQ", entry.size, entry.size)
    if entry.header >= _MAX32:
        wide += struct.pack("<Q", entry.header)
    extra = struct.pack("<HH", 1, len(wide)) + wide if wide else b""
    size, header = min(entry.size, _MAX32), min(entry.header, _MAX32)
    numbers = (entry.crc, size, size, len(entry.name), len(extra), 0, 0, 0, 0, header)
    fields = struct.pack("<4s6H3L5H2L", b"PK\1\2", 0, 0, entry.flags, 0, 0, 0, *numbers)
    return fields + entry.name + extra


def _end(count: int, start: int, end: int) -> bytes:
    size = end - start
    end64 = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 0x031E, 0x002D, 0, 0, count, count, size, start
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    few = min(count, _MAX16)
    short = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, few, few, min(size, _MAX32), min(start, _MAX32), 0
    )
    return end64 + locator + short
