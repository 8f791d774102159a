"""`open_checkpoint`: a file, an index or a folder, told apart by content."""

from __future__ import annotations

import json
import os
from typing import Any

from converters.files._checkpoint import SAFE_INDEX, TORCH_INDEX, Checkpoint, Part, Sharded
from converters.files._formats import FORMATS, open_file
from converters.files._orbax import Orbax, find_tree

# What a folder is searched for, in Hugging Face's order.
_IN_FOLDER = ("model.safetensors", SAFE_INDEX, "pytorch_model.bin", TORCH_INDEX)
_ENDINGS = tuple(ending for form in FORMATS.values() for ending in form.endings)
_MOST_NAMED = 4
_MAX_INDEX = 256 << 20


def open_checkpoint(path: str | os.PathLike, key: str | None = None) -> Checkpoint:
    """Opens a checkpoint without reading its tensors. No code in it is run.

    Args:
        path: a file of torch, safetensors or Flax's msgpack, a shard index (`*.index.json`), or a
            folder: one that has `model.safetensors`, `pytorch_model.bin`, the index of either or
            just one file of weights, or an Orbax checkpoint.
        key: take only what lies under this top-level name, such as "state_dict" or "params".

    Raises:
        FileNotFoundError: there is no such file, no checkpoint in the folder, or a shard is missing.
        KeyError: nothing lies under `key`.
        pickle.UnpicklingError: a torch file names what `weights_only=True` refuses.

    Example:
        >>> with open_checkpoint("model/") as checkpoint:
        ...     weight = checkpoint.read("fc.weight")
    """
    found = _open(find(path))
    if key is None:
        return found
    try:
        return Part(found, key)
    except BaseException:
        found.close()
        raise


def find(path: str | os.PathLike) -> str:
    """The file to open for `path`, which may be a folder."""
    where = os.fspath(path)
    if not os.path.isdir(where):
        return where
    for name in _IN_FOLDER:
        if os.path.isfile(os.path.join(where, name)):
            return os.path.join(where, name)
    tree = find_tree(where)
    if tree is not None:
        return tree
    names = sorted(os.listdir(where))
    for ending in (".index.json", _ENDINGS):
        found = [name for name in names if name.endswith(ending)]
        if len(found) == 1:
            return os.path.join(where, found[0])
        if found:
            told = ", ".join(found[:_MOST_NAMED]) + (", ..." if len(found) > _MOST_NAMED else "")
            raise FileNotFoundError(
                f"the folder {where} has none of {', '.join(_IN_FOLDER)}, and several others: "
                f"{told}; name one of them, or add the index of the shards"
            )
    raise FileNotFoundError(
        f"no checkpoint in the folder {where}: it has none of {', '.join(_IN_FOLDER)}, no other "
        "file of weights, and is not Orbax's"
    )


def _open(path: str) -> Checkpoint:
    if path.endswith(".index.json"):
        return _open_index(path)
    return Orbax(path) if os.path.isdir(path) else open_file(path)


def _open_index(path: str) -> Checkpoint:
    if os.path.getsize(path) > _MAX_INDEX:
        raise ValueError(f"{path}: a shard index of more than {_MAX_INDEX} bytes")
    with open(path, encoding="utf-8") as file:
        try:
            index = json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is no JSON: {error}") from None
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{path} is no shard index: it has no weight_map")
    folder = os.path.dirname(path)
    homes = {
        name: os.path.join(folder, _checked(path, shard)) for name, shard in weight_map.items()
    }
    metadata = index.get("metadata")
    return Sharded(path, homes, metadata if isinstance(metadata, dict) else {}, open_file)


def _checked(index: str, shard: Any) -> str:
    """A shard's name, which may not lead out of the index's folder."""
    if not isinstance(shard, str) or not shard or os.path.basename(shard) != shard or shard == "..":
        raise ValueError(f"{index} names the shard {shard!r:.80}, which is no file name")
    return shard
