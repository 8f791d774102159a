"""Folders of shards with their index, as Hugging Face lays them out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from converters.files._checkpoint import SAFE_INDEX, TORCH_INDEX
from converters.files._items import Item, Progress, silent, split_ties
from converters.files._stage import Stage
from converters.files._writing import write_safetensors, write_torch
from torchcompat.serialization._atomic import write_file


class Shards(NamedTuple):
    """How the files of a folder are named and written.

    Attributes:
        listed: which of a shard's items the index names.
    """

    stem: str
    ending: str
    index: str
    write: Callable[..., None]
    listed: Callable[[Sequence[Item]], Sequence[Item]]


# Other readers look for every name of the index in its shard: only what is there is named.
SAFETENSORS = Shards(
    "model", ".safetensors", SAFE_INDEX, write_safetensors, lambda items: split_ties(items)[0]
)
TORCH = Shards("pytorch_model", ".bin", TORCH_INDEX, write_torch, lambda items: items)


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
    progress: Progress = silent,
    kind: Shards = SAFETENSORS,
    source: Any = None,
) -> int:
    """Writes one file, or shards with their index; returns how many shards were there already.

    A new folder appears under its name when it is complete. In a folder that is there already the
    files are completed beside their places first, and the index comes last.

    Args:
        source: what the values depend on. If it is given, a run that is cut short leaves the
            shards it completed in `.NAME.partial`, and a run from the same source goes on there.

    Raises:
        FileExistsError: the folder holds a checkpoint.
    """
    target = os.path.abspath(os.fspath(path))
    present = os.path.isdir(target)
    shards = plan_shards(items, limit)
    mark = None if source is None else [source, metadata, kind.stem, _plan(shards)]
    with Stage(target, present, mark) as stage:
        moving = stage.moving()
        if moving is not None:
            _move(stage, target, moving)
            return len(shards)
        refuse_present(target)
        filler = _Filler(stage.files, shards, metadata or {}, progress, kind)
        names = filler.fill()
        if present:
            stage.begin_moving(names)
            _move(stage, target, names)
        else:
            os.rename(stage.files, target)
        return filler.found


def _plan(shards: Sequence[Sequence[Item]]) -> list:
    return [[(item.name, item.dtype.name, item.shape) for item in shard] for shard in shards]


def _move(stage: Stage, target: str, names: Sequence[str]) -> None:
    for name in names:
        if os.path.exists(os.path.join(stage.files, name)):
            os.replace(os.path.join(stage.files, name), os.path.join(target, name))


def refuse_present(folder: str) -> None:
    """Raises FileExistsError if a folder holds a checkpoint already."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    held = [n for n in names if n.endswith((".index.json", ".safetensors", ".bin"))]
    if held:
        raise FileExistsError(f"{folder} holds a checkpoint already: {min(held)}")


class _Filler:
    """Writes the files of a folder, but for those that are there."""

    def __init__(
        self,
        folder: str,
        shards: list[list[Item]],
        metadata: dict[str, str],
        progress: Progress,
        kind: Shards,
    ) -> None:
        self.folder, self.shards, self.kind = folder, shards, kind
        self.metadata, self.progress = metadata, progress
        self.found = 0

    def fill(self) -> list[str]:
        """Returns the files' names, the index last."""
        kind, count = self.kind, len(self.shards)
        if count == 1:
            self._shard(kind.stem + kind.ending, self.shards[0])
            return [kind.stem + kind.ending]
        weight_map: dict[str, str] = {}
        for number, shard in enumerate(self.shards, 1):
            name = f"{kind.stem}-{number:05d}-of-{count:05d}{kind.ending}"
            self._shard(name, shard)
            weight_map.update((item.name, name) for item in kind.listed(shard))
        self._index(weight_map)
        return [*sorted(set(weight_map.values())), kind.index]

    def _shard(self, name: str, items: list[Item]) -> None:
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            self.kind.write(path, items, self.metadata, self.progress)
            return
        self.found += 1
        for item in split_ties(items)[0]:
            self.progress(item.name, item.nbytes)

    def _index(self, weight_map: dict[str, str]) -> None:
        total = sum(item.nbytes for shard in self.shards for item in split_ties(shard)[0])
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        write_file(
            os.path.join(self.folder, self.kind.index), lambda file: file.write(text.encode())
        )
