"""Flax's msgpack files: scanned without their data, and written one tensor at a time.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md, and `flax.serialization` for what
arrays are: extension 1 (a NumPy scalar: 3) around (shape, dtype, bytes), in parts where they are
larger than 2**30 bytes.
"""

from __future__ import annotations

import os
import struct
from typing import Any, BinaryIO, NamedTuple

from converters.files._checkpoint import Checkpoint, TensorInfo
from converters.files._trees import joined, leaves
from torchcompat import _dtype
from torchcompat._tensor import Tensor
from torchcompat.serialization._rebuild import rebuild_contiguous
from torchcompat.serialization._source import Extent, PathSource, aligned
from torchcompat.serialization._storage import UntypedStorage

CHUNKED = "__msgpack_chunked_array__"
# Beside the parts of a chunked array, where Flax's reader does not look: its other names.
TIED = "tied"
ARRAY, COMPLEX, SCALAR = 1, 2, 3
_COMPLEX = ">xxdxd"  # an array of two float64
_DEEPEST = 100
# first byte -> how the number after it is packed
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d",
    0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
# first byte -> (what follows, how its length is packed)
_SIZED = {
    0xC4: ("bin", ">B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"),
    0xC7: ("ext", ">B"), 0xC8: ("ext", ">H"), 0xC9: ("ext", ">I"),
    0xD9: ("str", ">B"), 0xDA: ("str", ">H"), 0xDB: ("str", ">I"),
    0xDC: ("array", ">H"), 0xDD: ("array", ">I"),
    0xDE: ("map", ">H"), 0xDF: ("map", ">I"),
}  # fmt: skip
_FIXED = {0xC0: None, 0xC2: False, 0xC3: True}


def looks_like_msgpack(head: bytes) -> bool:
    """Whether a file that starts with `head` is a map with a text as its first key."""
    if len(head) < 2 or not (0x81 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF)):
        return False
    key = head[{0xDE: 3, 0xDF: 5}.get(head[0], 1) :][:1]
    return bool(key) and (0xA0 <= key[0] <= 0xBF or 0xD9 <= key[0] <= 0xDB)


class _Array(NamedTuple):
    """Where an array lies in the file."""

    dtype: _dtype.dtype
    shape: tuple[int, ...]
    extents: list[Extent]
    tied: tuple[str, ...] = ()


class Msgpack(Checkpoint):
    """A file of `flax.serialization.to_bytes` or `msgpack_serialize`.

    Raises:
        ValueError: it is damaged.
        NotImplementedError: an array's dtype is none of JAX's.
    """

    format = "msgpack"

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__()
        where = os.fspath(path)
        with open(path, "rb") as file:
            tree = _Scanner(file, str(where)).whole()
        found = list(leaves(tree, lambda x: isinstance(x, _Array)))
        self._arrays: dict[str, _Array] = {}
        for name, (_, leaf) in zip(joined([path for path, _ in found]), found):
            if isinstance(leaf, _Array):
                self._arrays[name] = leaf
            else:
                self.other[name] = leaf
        for name, array in list(self._arrays.items()):
            for one in (name, *array.tied):
                self._arrays.setdefault(one, array)
                self.infos[one] = TensorInfo(array.dtype, array.shape, (where, name), str(where))
        self._source = PathSource(path)

    def read(self, name: str) -> Tensor:
        array = self._arrays[name]
        block = aligned(sum(extent.size for extent in array.extents))
        at = 0
        for offset, size in array.extents:
            self._source.read_into(offset, block[at : at + size])
            at += size
        return rebuild_contiguous(UntypedStorage(block, len(block)), array.dtype, array.shape)

    def close(self) -> None:
        self._source.close()


class _Scanner:
    """Goes through a file; arrays are passed over and only their places noted."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path
        self._size = os.fstat(file.fileno()).st_size

    def whole(self) -> Any:
        """The file's one value."""
        found = self._value(0)
        if self._file.tell() != self._size:
            raise self._damaged("something follows its value")
        return found

    def _damaged(self, why: str) -> ValueError:
        return ValueError(f"{self._path} is no msgpack file of Flax, or a damaged one: {why}")

    def _bytes(self, count: int) -> bytes:
        if count > self._size - self._file.tell():
            raise self._damaged("it ends too early")
        return self._file.read(count)

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._bytes(struct.calcsize(form)))[0]

    def _head(self) -> tuple[str, Any]:
        """What comes next: "value" and the value, or a kind and its length."""
        first = self._bytes(1)[0]
        if first <= 0x7F or first >= 0xE0:
            return "value", first if first <= 0x7F else first - 256
        if first <= 0xBF:
            kinds = ((0x8F, "map", 15), (0x9F, "array", 15), (0xBF, "str", 31))
            return next((kind, first & mask) for most, kind, mask in kinds if first <= most)
        if first in _FIXED:
            return "value", _FIXED[first]
        if first in _NUMBERS:
            return "value", self._number(_NUMBERS[first])
        if 0xD4 <= first <= 0xD8:
            return "ext", 1 << (first - 0xD4)
        if first not in _SIZED:
            raise self._damaged(f"there is no type {first:#x}")
        kind, form = _SIZED[first]
        return kind, self._number(form)

    def _value(self, depth: int) -> Any:
        kind, what = self._head()
        if depth > _DEEPEST:
            raise self._damaged(f"it is nested more than {_DEEPEST} deep")
        if kind == "map":
            return self._map(what, depth)
        if kind == "array":
            return [self._value(depth + 1) for _ in range(what)]
        if kind == "ext":
            return self._extension(what)
        return self._text(what) if kind == "str" else self._bytes(what) if kind == "bin" else what

    def _text(self, size: int) -> str:
        try:
            return self._bytes(size).decode()
        except UnicodeDecodeError as error:
            raise self._damaged(str(error)) from None

    def _map(self, count: int, depth: int) -> Any:
        found = {}
        for _ in range(count):
            key = self._value(depth + 1)
            if not isinstance(key, (str, int)) or key in found:
                raise self._damaged(f"a map has the key {key!r:.80}, or has it twice")
            found[key] = self._value(depth + 1)
        return self._chunked(found) if CHUNKED in found else found

    def _chunked(self, found: dict) -> _Array:
        if not all(isinstance(found.get(key, {}), dict) for key in ("shape", "chunks", TIED)):
            raise self._damaged("an array in parts is not made of maps")
        shape, chunks = (list(found.get(key, {}).values()) for key in ("shape", "chunks"))
        if not chunks or not all(isinstance(chunk, _Array) for chunk in chunks):
            raise self._damaged("an array in parts has none")
        extents = [extent for chunk in chunks for extent in chunk.extents]
        tied = tuple(str(name) for name in found.get(TIED, {}).values())
        return self._checked(_Array(chunks[0].dtype, tuple(shape), extents, tied))

    def _extension(self, size: int) -> Any:
        kind = self._number(">b")
        end = self._file.tell() + size
        if kind not in (ARRAY, SCALAR):
            data = self._bytes(size)
            is_complex = kind == COMPLEX and size == struct.calcsize(_COMPLEX)
            return complex(*struct.unpack(_COMPLEX, data)) if is_complex else data
        parts = self._head()
        shape, name = self._value(_DEEPEST - 1), self._value(_DEEPEST)
        form, length = self._head()
        extent = Extent(self._file.tell(), length)
        if parts != ("array", 3) or form not in ("bin", "str") or sum(extent) != end:
            raise self._damaged("an array is not made of a shape, a dtype and bytes")
        if end > self._size:
            raise self._damaged("it ends too early")
        self._file.seek(end)
        return self._checked(_Array(self._dtype(name), tuple(shape), [extent]))

    def _dtype(self, name: Any) -> _dtype.dtype:
        name = name.decode("latin-1") if isinstance(name, bytes) else name
        if name not in _dtype.BY_NAME:
            raise NotImplementedError(f"{self._path} holds an array of {name!r:.80}")
        return _dtype.BY_NAME[name]

    def _checked(self, array: _Array) -> _Array:
        count = array.dtype.itemsize
        for size in array.shape:
            if type(size) is not int or size < 0:
                raise self._damaged(f"an array has the shape {array.shape!r:.80}")
            count *= size
        if count != sum(extent.size for extent in array.extents):
            raise self._damaged("the shape and the bytes of an array disagree")
        return array
