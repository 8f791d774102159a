"""Writing checkpoints one tensor at a time: each file and each folder appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import jax
import numpy as np

from converters.files._open import SAFE_INDEX, TORCH_INDEX
from torchcompat import _dtype, _layout
from torchcompat._tensor import Cell, from_cell
from torchcompat.serialization._atomic import write_file
from torchcompat.serialization._pickler import Pickler
from torchcompat.serialization._safetensors import safetensors_name
from torchcompat.serialization._zip_write import ZipWriter

Progress = Callable[[str, int], None]
_PIECE = 1 << 20


class Item(NamedTuple):
    """A tensor to be written.

    Attributes:
        read: gives its values, when their turn has come; they are cast to `dtype`.
        tie: equal for names that stand for one tensor.
    """

    name: str
    dtype: _dtype.dtype
    shape: tuple[int, ...]
    tie: Hashable
    read: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def values(self) -> np.ndarray:
        """Its elements in row-major order, in the dtype that `read` gives them."""
        values = np.ascontiguousarray(self.read()).reshape(-1)
        if len(values) * self.dtype.itemsize != self.nbytes:
            raise RuntimeError(f"{self.name!r} has shape {self.shape} but {len(values)} values")
        return values

    def data(self) -> memoryview:
        """Its bytes, little-endian."""
        return self._bytes(self.values())

    def pieces(self) -> Iterator[memoryview]:
        """Its bytes in parts, so that a cast never takes the memory of a second tensor."""
        values = self.values()
        for start in range(0, len(values), _PIECE):
            yield self._bytes(values[start : start + _PIECE])

    def _bytes(self, values: np.ndarray) -> memoryview:
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(self.dtype.numpy, copy=False)
        return values.astype(values.dtype.newbyteorder("<"), copy=False).view(np.uint8).data


def split_ties(items: Sequence[Item]) -> tuple[list[Item], dict[str, str]]:
    """The items to write, one for each tensor, and for the other names the one that is kept."""
    kept: dict[Hashable, Item] = {}
    others: dict[str, str] = {}
    for item in items:
        first = kept.setdefault(item.tie, item)
        if first is not item:
            others[item.name] = first.name
    return list(kept.values()), others


def _silent(name: str, nbytes: int) -> None:
    """Reports nothing."""


def write_safetensors(
    path: str | os.PathLike,
    items: Sequence[Item],
    metadata: dict[str, str] | None = None,
    progress: Progress = _silent,
) -> None:
    """Writes one safetensors file; the metadata has `format: pt`, and tied names as `save_model`'s.

    Raises:
        ValueError: a name of the metadata is a tensor's too.
        NotImplementedError: safetensors has no name for a dtype.
    """
    kept, others = split_ties(items)
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(metadata or {}), **others}}
    clash = sorted({item.name for item in items} & {"__metadata__", *(metadata or {}), "format"})
    if clash:
        raise ValueError(f"the tensor name {clash[0]!r} is taken by the header's metadata")
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
    progress: Progress = _silent,
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
            archive.add(f"data/{key}", item.data())
            progress(item.name, item.nbytes)
        archive.add("version", b"3\n")
        archive.finish()

    write_file(path, write)


def plan_shards(items: Sequence[Item], limit: int) -> list[list[Item]]:
    """The items in groups of at most `limit` bytes, in their order; tied names stay together.

    A tensor larger than `limit` gets a shard of its own.
    """
    kept, others = split_ties(items)
    together: dict[str, list[Item]] = {item.name: [item] for item in kept}
    for item in items:
        if item.name in others:
            together[others[item.name]].append(item)
    shards: list[list[Item]] = [[]]
    size = 0
    for item in kept:
        if shards[-1] and size + item.nbytes > limit:
            shards.append([])
            size = 0
        shards[-1] += together[item.name]
        size += item.nbytes
    return shards


def write_folder(
    path: str | os.PathLike,
    items: Sequence[Item],
    limit: int,
    metadata: dict[str, str] | None = None,
    progress: Progress = _silent,
    kind: str = "safetensors",
) -> None:
    """Writes a folder as Hugging Face lays it out: one file, or shards with their index.

    A new folder appears under its name when it is complete. In a folder that is there already the
    files are completed beside their places first, and the index comes last.

    Args:
        kind: "safetensors" or "bin".

    Raises:
        FileExistsError: the folder holds a checkpoint.
    """
    target = os.path.abspath(os.fspath(path))
    refuse_present(target)
    parent, name = os.path.split(target)
    present = os.path.isdir(target)
    tail = f".{name[:100]}.{secrets.token_hex(8)}.tmp"
    stage = os.path.join(target if present else parent, tail)
    os.mkdir(stage)
    try:
        names = _fill(stage, items, limit, metadata or {}, progress, kind)
        if present:
            for file in names:
                os.replace(os.path.join(stage, file), os.path.join(target, file))
        else:
            os.rename(stage, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def refuse_present(folder: str) -> None:
    """Raises FileExistsError if a folder holds a checkpoint already."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    held = [n for n in names if n.endswith((".index.json", ".safetensors", ".bin"))]
    if held:
        raise FileExistsError(f"{folder} holds a checkpoint already: {min(held)}")


def _fill(
    stage: str,
    items: Sequence[Item],
    limit: int,
    metadata: dict[str, str],
    progress: Progress,
    kind: str,
) -> list[str]:
    """Writes the files of a folder; returns their names, the index last."""
    stem, end = ("model", ".safetensors") if kind == "safetensors" else ("pytorch_model", ".bin")
    write = write_safetensors if kind == "safetensors" else write_torch
    shards = plan_shards(items, limit)
    if len(shards) == 1:
        write(os.path.join(stage, stem + end), shards[0], metadata, progress)
        return [stem + end]
    weight_map: dict[str, str] = {}
    names = []
    for number, shard in enumerate(shards, 1):
        names.append(f"{stem}-{number:05d}-of-{len(shards):05d}{end}")
        write(os.path.join(stage, names[-1]), shard, metadata, progress)
        # Other readers look for every name of the index in its shard: only what is there is named.
        listed = split_ties(shard)[0] if kind == "safetensors" else shard
        weight_map.update((item.name, names[-1]) for item in listed)
    total = sum(item.nbytes for item in split_ties(items)[0])
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    names.append(SAFE_INDEX if kind == "safetensors" else TORCH_INDEX)
    write_file(os.path.join(stage, names[-1]), lambda file: file.write(text.encode()))
    return names
