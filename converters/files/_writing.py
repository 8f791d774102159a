"""Writing safetensors and torch's files one tensor at a time; each appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, BinaryIO

import jax
import numpy as np

from converters.files._items import Item, Progress, silent, split_ties
from torchcompat import _layout
from torchcompat._tensor import Cell, from_cell
from torchcompat.serialization._atomic import write_file
from torchcompat.serialization._pickler import Pickler
from torchcompat.serialization._safetensors import safetensors_name
from torchcompat.serialization._zip_write import ZipWriter


def write_safetensors(
    path: str | os.PathLike,
    items: Sequence[Item],
    metadata: dict[str, str] | None = None,
    progress: Progress = silent,
) -> None:
    """Writes one safetensors file; the metadata has `format: pt`, and tied names as `save_model`'s.

    Raises:
        ValueError: the header needs a name for its metadata.
        NotImplementedError: safetensors has no name for a dtype.
    """
    kept, others = split_ties(items)
    texts = {"format": "pt", **(metadata or {})}
    header: dict[str, Any] = {"__metadata__": {**texts, **others}}
    taken = {item.name for item in kept} & {"__metadata__"} | others.keys() & texts.keys()
    if taken:
        raise ValueError(f"the tensor name {min(taken)!r} is taken by the header's metadata")
    # Wide types first, so that every tensor is aligned to its own size.
    order = sorted(kept, key=lambda item: (-item.dtype.itemsize, item.name))
    at = 0
    for item in order:
        kind, end = _kind(item), at + item.nbytes
        header[item.name] = {"dtype": kind, "shape": list(item.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)

    def write(file: BinaryIO) -> None:
        file.write(len(text).to_bytes(8, "little") + text)
        for item in order:
            file.writelines(item.pieces())
            progress(item.name, item.nbytes)

    write_file(path, write)


def _kind(item: Item) -> str:
    try:
        return safetensors_name(item.dtype)
    except KeyError:
        raise NotImplementedError(
            f"{item.name!r} is {item.dtype.name}, which safetensors has no name for"
        ) from None


class _Promise:
    """Stands in a cell for values that are read when the archive is written."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.shape, self.size = item.shape, int(np.prod(item.shape, dtype=np.int64))
        self.dtype = item.dtype.numpy
        self.ndim = len(item.shape)

    def devices(self) -> set:
        return {jax.local_devices(backend="cpu")[0]}


def write_torch(
    path: str | os.PathLike,
    items: Sequence[Item],
    metadata: dict[str, str] | None = None,
    progress: Progress = silent,
) -> None:
    """Writes a flat `state_dict` as `torch.save` does; tied names share a storage.

    Args:
        metadata: has no place in torch's format and is left out.
    """
    cells: dict[Hashable, Cell] = {}
    state: OrderedDict[str, Any] = OrderedDict()
    for item in items:
        cell = cells.setdefault(item.tie, Cell(_Promise(item)))
        strides = _layout.contiguous_strides(item.shape)
        state[item.name] = from_cell(cell, item.shape, strides)
    data = io.BytesIO()
    pickler = Pickler(data, 2)
    pickler.dump(state)

    def write(file: BinaryIO) -> None:
        archive = ZipWriter(file)
        archive.add("data.pkl", data.getvalue())
        archive.add(".format_version", b"1")
        archive.add(".storage_alignment", b"64")
        archive.add("byteorder", b"little")
        for key, cell in enumerate(pickler.cells):
            item = cell.value.item
            archive.add_pieces(f"data/{key}", item.pieces(), item.nbytes)
            progress(item.name, item.nbytes)
        archive.add("version", b"3\n")
        archive.finish()

    write_file(path, write)
