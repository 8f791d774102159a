"""Reading the zip archives that `torch.save` writes: a directory of stored records."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from torchcompat.serialization._source import Source

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x1, 0x800


class Record(NamedTuple):
    """One file of the archive. `offset` is where its bytes start in the source."""

    name: str
    header: int
    offset: int
    size: int
    crc: int


def _corrupt(why: str) -> RuntimeError:
    return RuntimeError(
        f"PytorchStreamReader failed reading zip archive: {why}. If you are seeing this error, "
        "there is a high likelihood that your checkpoint file is corrupted. This can happen if the "
        "checkpoint was not saved properly, was transferred incorrectly, or the file was modified "
        "after saving."
    )


class ZipReader:
    """The records of a torch archive, by their names without the archive's own folder.

    Everything the directory claims is checked against the source's size before it is used: a record
    lies inside the file, overlaps no other, is stored (not compressed) and has a name of its own,
    so the records together are never larger than the file.

    Raises:
        RuntimeError: the archive is damaged, or is none of torch's.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        start, size, count = self._find_directory()
        self._limit = start
        records = self._entries(source.read(start, size), count)
        _check_overlaps(records, start)
        self.records = _strip_folder(records)
        self._checked: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.records

    def read(self, name: str) -> bytes:
        """The bytes of a record, its CRC-32 verified."""
        record = self.records.get(name)
        if record is None:
            raise _corrupt(f"file not found: {name}")
        data = self._source.read(record.offset, record.size)
        check_crc(record, data)
        return data

    def _find_directory(self) -> tuple[int, int, int]:
        """Offset, size and number of entries of the central directory."""
        source = self._source
        tail = source.read(max(source.size - _MAX16 - _END.size, 0), _MAX16 + _END.size)
        found = tail.rfind(b"PK\5\6")
        if found < 0 or found + _END.size > len(tail):
            raise _corrupt("failed finding central directory")
        where = source.size - len(tail) + found
        _, _, _, _, count, size, start, comment = _END.unpack_from(tail, found)
        if found + _END.size + comment != len(tail):
            raise _corrupt("failed finding central directory")
        if where >= _END64_LOCATOR.size + _END64.size:
            where, start, size, count = self._end64(where, (start, size, count))
        if start + size != where or count * _ENTRY.size > size:
            raise _corrupt("invalid central directory")
        return start, size, count

    def _end64(self, where: int, found: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """`(where, start, size, count)`, from the zip64 end record if one precedes `where`."""
        at = where - _END64_LOCATOR.size
        magic, disk, end, disks = _END64_LOCATOR.unpack(self._source.read(at, _END64_LOCATOR.size))
        if magic != b"PK\6\7":
            return where, *found
        if disk or disks != 1 or end + _END64.size != at:
            raise _corrupt("invalid zip64 end of central directory")
        fields = _END64.unpack(self._source.read(end, _END64.size))
        if fields[0] != b"PK\6\6":
            raise _corrupt("invalid zip64 end of central directory")
        count, size, start = fields[7:]
        for short, mark, long in zip(found, (_MAX32, _MAX32, _MAX16), (start, size, count)):
            if short not in (mark, long):
                raise _corrupt("the zip and zip64 directories disagree")
        return end, start, size, count

    def _entries(self, directory: bytes, count: int) -> list[Record]:
        records = []
        at = 0
        for _ in range(count):
            if at + _ENTRY.size > len(directory):
                raise _corrupt("invalid central directory")
            fields = _ENTRY.unpack_from(directory, at)
            end = at + _ENTRY.size + sum(fields[10:13])
            if fields[0] != b"PK\1\2" or end > len(directory):
                raise _corrupt("invalid central directory")
            records.append(self._record(fields, directory[at + _ENTRY.size : end]))
            at = end
        if at != len(directory):
            raise _corrupt("invalid central directory")
        return records

    def _record(self, fields: tuple, tail: bytes) -> Record:
        flags, method, crc, packed, size = fields[3], fields[4], *fields[7:10]
        raw_name, extra = tail[: fields[10]], tail[fields[10] : fields[10] + fields[11]]
        name = _decode(raw_name, flags)
        size, packed, header = _zip64(extra, size, packed, fields[16])
        if flags & _ENCRYPTED:
            raise _corrupt(f"record {name!r} is encrypted")
        if method:
            raise NotImplementedError(
                f"zip record {name!r} is compressed (method {method}); torch.save writes records "
                "uncompressed, so pack the archive again with `zip -0`"
            )
        if size != packed:
            raise _corrupt(f"record {name!r} has two sizes")
        return Record(name, header, self._data_offset(raw_name, name, header, size), size, crc)

    def _data_offset(self, raw_name: bytes, name: str, header: int, size: int) -> int:
        offset = header + _LOCAL.size + len(raw_name)
        if offset > self._limit:
            raise _corrupt(f"record {name!r} lies outside of the file")
        local = self._source.read(header, _LOCAL.size + len(raw_name))
        fields = _LOCAL.unpack_from(local)
        if fields[0] != b"PK\3\4" or local[_LOCAL.size :] != raw_name:
            raise _corrupt(f"the header of record {name!r} disagrees with the directory")
        offset += fields[10]
        if offset + size > self._limit:
            raise _corrupt(f"record {name!r} lies outside of the file")
        return offset


def check_crc(record: Record, data: object) -> None:
    """Compares `data` with the record's CRC-32.

    A stored 0 is not compared: `torch.serialization.set_crc32_options(False)` writes that.

    Raises:
        RuntimeError: they differ.
    """
    if record.crc and zlib.crc32(data) != record.crc:  # type: ignore[arg-type]
        raise _corrupt(f"file in archive is damaged: {record.name!r} fails its CRC-32 check")


def _decode(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise _corrupt(f"record name {raw[:80]!r} is not UTF-8") from None


def _zip64(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """The three numbers, those at their 32-bit limit taken from the zip64 extra field."""
    numbers = [size, packed, header]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            wide = [body[i : i + 8] for i in range(0, len(body) - 7, 8)]
            for i, number in enumerate(numbers):
                if number == _MAX32 and wide:
                    numbers[i] = int.from_bytes(wide.pop(0), "little")
        at += 4 + length
    return numbers[0], numbers[1], numbers[2]


def _check_overlaps(records: list[Record], end: int) -> None:
    ordered = sorted(records, key=lambda record: record.header)
    for record, after in zip(ordered, [*ordered[1:], None]):
        limit = end if after is None else after.header
        if record.offset + record.size > limit:
            raise _corrupt(f"record {record.name!r} overlaps another")


def _strip_folder(records: list[Record]) -> dict[str, Record]:
    """Records by name inside the archive's folder, which the first record names."""
    if not records:
        raise _corrupt("the archive is empty")
    folder, slash, _ = records[0].name.partition("/")
    found: dict[str, Record] = {}
    for record in records:
        if not slash or not record.name.startswith(f"{folder}/"):
            raise _corrupt(f"file in archive is not in a subdirectory {folder}/: {record.name}")
        name = record.name[len(folder) + 1 :]
        if name in found:
            raise _corrupt(f"two records are named {record.name!r}")
        found[name] = record
    return found
