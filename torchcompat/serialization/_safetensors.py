"""Loading safetensors files.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any, NamedTuple

from safetensors import SafetensorError

from torchcompat import _dtype
from torchcompat.serialization._location import is_meta, restorer
from torchcompat.serialization._rebuild import rebuild_contiguous
from torchcompat.serialization._source import Extent, PathSource, Source, fetch
from torchcompat.serialization._storage import UntypedStorage

_MAX_HEADER = 100_000_000
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}
_NAMES = {_dtype.BY_NAME[ours]: name for name, ours in _DTYPES.items()}
_KNOWN_UNSUPPORTED = ("F4", "F6_E2M3", "F6_E3M2")


class _Entry(NamedTuple):
    """One tensor of the header; `start` and `end` count from the end of the header."""

    name: str
    dtype: _dtype.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def looks_like_safetensors(head: bytes) -> bool:
    """Whether a file that starts with `head` is a safetensors file rather than one of torch's."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_HEADER


def load_safetensors(source: Source, map_location: Any, mapped: bool) -> dict[str, Any]:
    """The tensors of a safetensors file by name, in the order of their data.

    Raises:
        SafetensorError: the header is damaged or disagrees with the file's size.
        NotImplementedError: a tensor's dtype is none of JAX's.
    """
    entries, base, _ = _read_header(source)
    restore = restorer(map_location)
    extents = [Extent(base + entry.start, entry.end - entry.start) for entry in entries]
    blocks: list[Any] = [None] * len(extents)
    if not is_meta(map_location):
        blocks = [block.data for block in fetch(source, extents, mapped)]
    tensors = {}
    for entry, extent, block in zip(entries, extents, blocks):
        storage = UntypedStorage(block, extent.size, swapped=sys.byteorder != "little")
        tensors[entry.name] = rebuild_contiguous(restore(storage, "cpu"), entry.dtype, entry.shape)
    return tensors


class SafetensorsFile:
    """A safetensors file on disk whose tensors are read one at a time.

    Raises:
        SafetensorError: the header is damaged or disagrees with the file's size.
    """

    def __init__(self, path: str | os.PathLike, map_location: Any = "cpu") -> None:
        self._source = PathSource(path)
        try:
            entries, self._base, self.metadata = _read_header(self._source)
        except BaseException:
            self._source.close()
            raise
        self.entries = {entry.name: entry for entry in entries}
        self._map_location = map_location

    def tensor(self, name: str) -> Any:
        """The tensor called `name`, read now."""
        entry = self.entries[name]
        extent = Extent(self._base + entry.start, entry.end - entry.start)
        meta = is_meta(self._map_location)
        block = None if meta else fetch(self._source, [extent], mapped=False)[0].data
        storage = UntypedStorage(block, extent.size, swapped=sys.byteorder != "little")
        storage = restorer(self._map_location)(storage, "cpu")
        return rebuild_contiguous(storage, entry.dtype, entry.shape)

    def close(self) -> None:
        """Closes the file; tensors that were read stay."""
        self._source.close()


def safetensors_name(dtype: _dtype.dtype) -> str:
    """The name a safetensors header gives a dtype, such as `F32`."""
    return _NAMES[dtype]


def _read_header(source: Source) -> tuple[list[_Entry], int, dict[str, str] | None]:
    """The entries in the order of their data, where the data begin, and the metadata."""
    if source.size < 8:
        raise _error("header too small")
    length = int.from_bytes(source.read(0, 8), "little")
    if length > _MAX_HEADER:
        raise _error("header too large")
    if length > source.size - 8:
        raise _error("invalid header length")
    try:
        text = source.read(8, length).decode("utf-8")
        header = json.loads(text, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _error(f"invalid UTF-8 in header: {error}") from None
    except (ValueError, RecursionError) as error:
        raise _error(f"invalid JSON in header: {error}") from None
    if not isinstance(header, dict):
        raise _error("invalid JSON in header: expected an object")
    metadata = header.pop("__metadata__", None)
    _check_metadata(metadata)
    entries = sorted(
        (_entry(name, fields) for name, fields in header.items()),
        key=lambda entry: (entry.start, entry.end),
    )
    _check_coverage(entries, source.size - 8 - length)
    return entries, 8 + length, metadata


def _error(why: str) -> SafetensorError:
    return SafetensorError(f"Error while deserializing header: {why}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate keys")
    return found


def _check_metadata(metadata: Any) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or any(type(value) is not str for value in metadata.values()):
        raise _error("__metadata__ must map strings to strings")


def _entry(name: str, fields: Any) -> _Entry:
    if not isinstance(fields, dict) or fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise _error(f"tensor {name!r:.80} must have dtype, shape and data_offsets")
    shape, offsets = _numbers(name, fields["shape"]), _numbers(name, fields["data_offsets"])
    kind = fields["dtype"]
    if not isinstance(kind, str) or kind not in _DTYPES:
        if kind in _KNOWN_UNSUPPORTED:
            raise NotImplementedError(
                f"tensor {name!r:.80} has the safetensors dtype {kind}, "
                "which torchcompat does not support"
            )
        raise _error(f"tensor {name!r:.80} has the unknown dtype {kind!r:.80}")
    if len(offsets) != 2 or len(shape) > 64:
        raise _error(f"invalid shape or data_offsets for tensor {name!r:.80}")
    return _Entry(name, _dtype.BY_NAME[_DTYPES[kind]], tuple(shape), *offsets)


def _numbers(name: str, values: Any) -> list[int]:
    if not isinstance(values, list) or any(
        type(n) is not int or not 0 <= n < 1 << 63 for n in values
    ):
        raise _error(f"invalid number in shape or data_offsets of tensor {name!r:.80}")
    return values


def _check_coverage(entries: list[_Entry], size: int) -> None:
    """Checks that the tensors lie one after another and fill the file."""
    at = 0
    for entry in entries:
        if entry.start != at or entry.end < entry.start:
            raise _error(f"invalid offset for tensor {entry.name!r:.80}")
        if math.prod(entry.shape) * entry.dtype.itemsize != entry.end - entry.start:
            raise _error(f"the shape and data_offsets of tensor {entry.name!r:.80} disagree")
        at = entry.end
    if at != size:
        raise _error("incomplete metadata, file not fully covered")
