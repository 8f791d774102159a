"""The formats: how each is told, opened and written. A new one is a row of the table."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from converters.files import _shards
from converters.files._checkpoint import Checkpoint, Safetensors, naming
from converters.files._msgpack import Msgpack, looks_like_msgpack
from converters.files._msgpack_write import write_msgpack
from converters.files._orbax import write_orbax
from converters.files._pickles import TorchLegacy, TorchZip
from converters.files._shards import Shards
from converters.files._writing import write_safetensors, write_torch
from torchcompat.serialization._safetensors import looks_like_safetensors

_HEAD = 32


class Format(NamedTuple):
    """A format that can be written.

    Attributes:
        endings: of the names that stand for it.
        write: (path, items, metadata, progress).
        shards: how a folder of its files is laid out; None if it has no such folders.
        is_folder: whether it is a folder by itself.
    """

    name: str
    endings: tuple[str, ...]
    write: Callable[..., None]
    shards: Shards | None = None
    is_folder: bool = False


FORMATS = {
    one.name: one
    for one in (
        Format("safetensors", (".safetensors",), write_safetensors, _shards.SAFETENSORS),
        Format("torch", (".pt", ".pth", ".bin", ".ckpt"), write_torch, _shards.TORCH),
        Format("msgpack", (".msgpack",), write_msgpack),
        Format("orbax", (".orbax",), write_orbax, is_folder=True),
    )
}
# What a file's first bytes say, asked in this order.
_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[Any], Checkpoint]], ...] = (
    (looks_like_safetensors, Safetensors),
    (lambda head: head.startswith(b"PK\3\4"), TorchZip),
    (looks_like_msgpack, Msgpack),
    (lambda head: head.startswith(b"\x80"), TorchLegacy),
)
# These names are believed where the content is too damaged to tell.
_BY_NAME = {".safetensors": Safetensors, ".msgpack": Msgpack}
# What people have in place of weights.
_NO_WEIGHTS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file: run `git lfs pull`",
    b"<!doctype html": "a web page: the download went wrong",
    b"<html": "a web page: the download went wrong",
    b"gguf": "a GGUF file, which is not supported",
    b"\x89hdf": "an HDF5 file, which is not supported",
}


def open_file(path: str) -> Checkpoint:
    """Opens a single file of any format, told by its content.

    Raises:
        ValueError: it is of none. Other errors have a note that names the file.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise EOFError(f"{path} is empty")
    what = next((w for start, w in _NO_WEIGHTS.items() if head.lower().startswith(start)), None)
    if what is not None:
        raise ValueError(f"{path} is {what}")
    by_name = _BY_NAME.get(os.path.splitext(path)[1])
    opener = by_name or next((opener for fits, opener in _READERS if fits(head)), None)
    if opener is None:
        raise ValueError(f"{path} is no checkpoint: it begins with {head[:8]!r}")
    with naming(f"while opening {path}"):
        return opener(path)


def format_for(path: str | os.PathLike, name: str | None = None) -> tuple[Format, bool]:
    """The format in which `path` is to be written, and whether as a folder of shards.

    Args:
        name: of the format; None tells it from the path, where no ending is a folder of safetensors.

    Raises:
        ValueError: there is no such format, or the path does not fit it.
    """
    where = os.fspath(path)
    if name is not None and name not in FORMATS:
        raise ValueError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    by_ending = next((f for f in FORMATS.values() if where.endswith(f.endings)), None)
    if by_ending is not None and name in (None, by_ending.name):
        return by_ending, False
    chosen = FORMATS[name or "safetensors"]
    if chosen.is_folder:
        return chosen, False
    no_folder = os.path.isfile(where) or re.search(r"\.[A-Za-z]{1,12}$", os.path.basename(where))
    if by_ending is not None or no_folder or chosen.shards is None:
        raise ValueError(_unfit(where, name))
    return chosen, True


def _unfit(where: str, name: str | None) -> str:
    if name is not None:
        form = FORMATS[name]
        endings = ", ".join(form.endings) + (", or a folder's" if form.shards else "")
        return f"{where!r} does not fit the format {name}, whose names are {endings}"
    endings = ", ".join(ending for form in FORMATS.values() for ending in form.endings)
    return f"{where!r}: the format is told from the name, which must end in {endings}, or be a folder's"
