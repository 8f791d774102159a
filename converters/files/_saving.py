"""`save_checkpoint`: a model or a `state_dict` as a file or a folder of shards."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from converters.files._formats import format_for
from converters.files._items import Item, Progress, silent
from converters.files._shards import write_folder
from torchcompat._dtype import BY_NAME
from torchcompat._tensor import Tensor, wrap

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
SHARD_SIZE = "5GB"


def parse_size(size: int | str) -> int:
    """Bytes of a size such as "5GB" or "200MiB".

    Raises:
        ValueError: it is none, or not positive.
    """
    if isinstance(size, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?) *([A-Za-z]*)", size.strip())
        unit = match and _UNITS.get(match[2].upper().removesuffix("B") + "B" if match[2] else "")
        if not match or not unit:
            raise ValueError(f"{size!r} is no size; write it as '5GB' or '200MiB'")
        size = int(float(match[1]) * unit)
    if size <= 0:
        raise ValueError("the size of a shard must be positive")
    return size


def save_checkpoint(
    model: Any,
    path: str | os.PathLike,
    *,
    max_shard_size: int | str = SHARD_SIZE,
    metadata: Mapping[str, str] | None = None,
    format: str | None = None,
) -> None:
    """Saves weights so that the name stands for a whole checkpoint or none.

    Args:
        model: a module, or a `state_dict` of Tensors or arrays.
        path: `*.safetensors`; `*.pt`, `*.pth`, `*.bin` and `*.ckpt` for torch's format;
            `*.msgpack` for Flax's; `*.orbax` for Orbax's. A name without an ending is a folder,
            with `model.safetensors` or, from `max_shard_size` on, shards and their index.
        max_shard_size: bytes, or a text such as "5GB". A larger tensor has a shard of its own.
        metadata: texts for the safetensors headers, beside `format: pt`; Orbax keeps them too.
        format: "safetensors", "torch", "msgpack" or "orbax", where the name does not say it; for a
            folder, of what kind its files are.

    Tied tensors are written once and stay tied. torch's format has their sharing; a safetensors
    header names, as safetensors' `save_model` has it, the tensor that stands for each of the other
    names; msgpack and Orbax have a note of the other names where Flax does not look. Different
    views of one storage are written out each.

    Raises:
        FileExistsError: the folder holds a checkpoint already.
        TypeError: a value is no tensor.
    """
    state = model.state_dict() if hasattr(model, "state_dict") else model
    items = [_item(name, value) for name, value in state.items()]
    write_items(path, items, max_shard_size, dict(metadata or {}), format=format)


def write_items(
    path: str | os.PathLike,
    items: list[Item],
    max_shard_size: int | str = SHARD_SIZE,
    metadata: dict[str, str] | None = None,
    progress: Progress = silent,
    format: str | None = None,
    source: Any = None,
) -> int:
    """Writes a file or a folder, as its name or `format` says; returns the shards taken over.

    Args:
        source: as in `write_folder`.
    """
    limit = parse_size(max_shard_size)
    form, sharded = format_for(path, format)
    if sharded:
        return write_folder(path, items, limit, metadata, progress, form.shards, source)
    form.write(path, items, metadata, progress)
    return 0


def _item(name: str, value: Any) -> Item:
    if isinstance(value, (jax.Array, np.ndarray)):
        value = wrap(value) if isinstance(value, jax.Array) else value
    if isinstance(value, np.ndarray):
        kind = BY_NAME[value.dtype.name]
        return Item(name, kind, value.shape, (id(value),), lambda: value)
    if not isinstance(value, Tensor):
        raise TypeError(f"save_checkpoint: {name!r} must be a tensor, but got {type(value)}")
    if value.device.type == "meta":
        raise NotImplementedError(
            f"save_checkpoint: {name!r} is on the meta device; it has no data"
        )
    shape = tuple(value.shape)
    tie = (id(value._cell.root), value.dtype, value.storage_offset(), shape, value.stride())
    return Item(name, value.dtype, shape, tie, lambda: np.asarray(value.detach()))
