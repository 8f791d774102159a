"""`save_checkpoint`: a model or a `state_dict` as a file or a folder of shards."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from converters.files._writing import (
    Item,
    Progress,
    _silent,
    write_folder,
    write_safetensors,
    write_torch,
)
from torchcompat._dtype import BY_NAME
from torchcompat._tensor import Tensor, wrap

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
TORCH_ENDINGS = (".pt", ".pth", ".bin")
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
) -> None:
    """Saves weights so that the name stands for a whole checkpoint or none.

    Args:
        model: a module, or a `state_dict` of Tensors or arrays.
        path: `*.safetensors`, or `*.pt`, `*.pth` and `*.bin` for torch's format; any other name is
            a folder, with `model.safetensors` or, from `max_shard_size` on, shards and their index.
        max_shard_size: bytes, or a text such as "5GB". A larger tensor has a shard of its own.
        metadata: texts for the safetensors headers, beside `format: pt`.

    Tied tensors are written once. torch's format has their sharing; a safetensors header names, as
    safetensors' `save_model` has it, the tensor that stands for each of the other names. Different
    views of one storage are written out each.

    Raises:
        FileExistsError: the folder holds a checkpoint already.
        TypeError: a value is no tensor.
    """
    state = model.state_dict() if hasattr(model, "state_dict") else model
    write_items(path, [_item(n, v) for n, v in state.items()], max_shard_size, dict(metadata or {}))


def write_items(
    path: str | os.PathLike,
    items: list[Item],
    max_shard_size: int | str = SHARD_SIZE,
    metadata: dict[str, str] | None = None,
    progress: Progress = _silent,
) -> None:
    """Writes a file or a folder, as its name says."""
    name = os.fspath(path)
    limit = parse_size(max_shard_size)
    if name.endswith(".safetensors"):
        write_safetensors(path, items, metadata, progress)
    elif name.endswith(TORCH_ENDINGS):
        write_torch(path, items, metadata, progress)
    elif os.path.isfile(name) or re.search(r"\.[A-Za-z]{1,12}$", os.path.basename(name)):
        raise ValueError(
            f"{name!r}: the format is told from the name, which must end in .safetensors, "
            f"{', '.join(TORCH_ENDINGS)}, or be a folder's"
        )
    else:
        write_folder(path, items, limit, metadata, progress)


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
