"""Where a checkpoint's bytes come from: a path (read in parallel, or mapped) or a file object."""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO, NamedTuple

import numpy as np

# JAX on the CPU uses a NumPy array's memory as it is only at this alignment; it copies otherwise.
ALIGNMENT = 64
# Files from this size on are mapped unless the caller says otherwise; smaller ones are read, so
# that rewriting a small file in place cannot reach into tensors that were loaded from it.
MAP_FROM = 32 << 20
# Below this total, starting threads costs more than it saves.
_PARALLEL_FROM = 8 << 20


class Extent(NamedTuple):
    """A run of bytes in a source."""

    offset: int
    size: int


class Block(NamedTuple):
    """The bytes of an extent; `mapped` if they are the file's own pages."""

    data: np.ndarray
    mapped: bool


class Source:
    """Bytes at positions `0 <= i < size`."""

    size: int
    name = ""
    threads = 1

    def read_into(self, offset: int, buffer: np.ndarray) -> None:
        """Fills `buffer` (uint8) from position `offset`."""
        raise NotImplementedError

    def read(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`, as many of `size` as there are."""
        buffer = np.empty(max(min(size, self.size - offset), 0), np.uint8)
        self.read_into(offset, buffer)
        return buffer.tobytes()

    def stream_for_pickles(self) -> AbstractContextManager[BinaryIO]:
        """A file object at position 0."""
        raise NotImplementedError

    def finish(self, offset: int) -> None:
        """Leaves a caller's file object at position `offset`, behind what was read."""

    def close(self) -> None:
        """Closes what this source opened."""

    def map(self) -> np.ndarray | None:
        """The whole source as an array of its own pages, or None where it cannot be mapped."""
        return None


class PathSource(Source):
    """A file on disk."""

    threads = min(4, os.cpu_count() or 1)

    def __init__(self, path: str | os.PathLike) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - `close` closes it
        self.name = os.fsdecode(path)
        self.size = os.fstat(self._file.fileno()).st_size

    def read_into(self, offset: int, buffer: np.ndarray) -> None:
        view = buffer.data
        while view:
            got = _pread(self._file, view, offset)
            if not got:
                raise _short(len(view))
            view, offset = view[got:], offset + got

    def map(self) -> np.ndarray | None:
        """Maps the file copy-on-write: what is written to the memory never reaches the file."""
        try:
            pages = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError):
            return None  # some network file systems cannot map
        return np.frombuffer(pages, dtype=np.uint8)

    def stream_for_pickles(self) -> AbstractContextManager[BinaryIO]:
        self._file.seek(0)
        return open(os.dup(self._file.fileno()), "rb")

    def close(self) -> None:
        self._file.close()


def _pread(file: Any, view: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(file.fileno(), [view[: 1 << 30]], offset)
    file.seek(offset)  # no positioned read on this system: PathSource is then used by one thread
    return file.readinto(view)


if not hasattr(os, "preadv"):
    PathSource.threads = 1


class FileSource(Source):
    """A seekable binary file object, from its current position on."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._base = file.tell()
        file.seek(0, io.SEEK_END)
        self.size = max(file.tell() - self._base, 0)
        file.seek(self._base)

    def read_into(self, offset: int, buffer: np.ndarray) -> None:
        view = buffer.data
        self._file.seek(self._base + offset)
        while view:
            got = self._some(view)
            if not got:
                raise _short(len(view))
            view = view[got:]

    def _some(self, view: memoryview) -> int:
        if hasattr(self._file, "readinto"):
            return self._file.readinto(view)
        data = self._file.read(len(view))
        if not isinstance(data, bytes):
            raise TypeError(f"expected a file opened in binary mode, but read() gave {type(data)}")
        view[: len(data)] = data
        return len(data)

    def stream_for_pickles(self) -> AbstractContextManager[BinaryIO]:
        self._file.seek(self._base)
        return nullcontext(self._file)

    def finish(self, offset: int) -> None:
        self._file.seek(self._base + offset)


def _short(missing: int) -> RuntimeError:
    return RuntimeError(
        f"unexpected EOF, expected {missing} more bytes. The file might be corrupted."
    )


def aligned(size: int) -> np.ndarray:
    """`size` uninitialised bytes at an address that JAX takes without a copy."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    shift = -raw.ctypes.data % ALIGNMENT
    return raw[shift : shift + size]


def fetch(source: Source, extents: Iterable[Extent], mapped: bool) -> list[Block]:
    """The bytes of each extent, as arrays that JAX takes without a copy.

    Extents that are aligned in the file are views of its map where `mapped` asks for that; the
    others are read, each once, into memory of their own. The caller has checked the extents
    against `source.size`.
    """
    extents = list(extents)
    memory = source.map() if mapped else None
    blocks, reads = [], []
    for offset, size in extents:
        if memory is not None and offset % ALIGNMENT == 0:
            blocks.append(Block(memory[offset : offset + size], True))
        else:
            blocks.append(Block(aligned(size), False))
            reads.append((offset, blocks[-1].data))
    _read_all(source, reads)
    return blocks


def _read_all(source: Source, reads: list[tuple[int, np.ndarray]]) -> None:
    total = sum(len(block) for _, block in reads)
    if source.threads == 1 or len(reads) == 1 or total < _PARALLEL_FROM:
        for offset, block in reads:
            source.read_into(offset, block)
        return
    with ThreadPoolExecutor(source.threads) as pool:
        for done in [pool.submit(source.read_into, *one) for one in reads]:
            done.result()
