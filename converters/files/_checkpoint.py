"""What every kind of checkpoint offers: names, shapes and dtypes at once, tensors one at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import Tensor
from torchcompat.serialization._safetensors import SafetensorsFile

SAFE_INDEX, TORCH_INDEX = "model.safetensors.index.json", "pytorch_model.bin.index.json"
_MOST_NAMED = 10
_NOTHING = np.zeros((), np.float32)


def release() -> None:
    """Frees the memory of tensors that are gone.

    JAX lets go of what it shared with NumPy only in its next call; this is one.
    """
    jax.device_put(_NOTHING).block_until_ready()


@contextlib.contextmanager
def naming(note: str) -> Iterator[None]:
    """Adds a note to whatever error is raised."""
    try:
        yield
    except Exception as error:
        error.add_note(note)
        raise


class TensorInfo(NamedTuple):
    """What a file says of one tensor, without its values.

    Attributes:
        tie: equal for names that stand for the same memory in the same layout.
        file: the file that holds it.
    """

    dtype: _dtype.dtype
    shape: tuple[int, ...]
    tie: Hashable
    file: str

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count * self.dtype.itemsize


class Checkpoint:
    """A checkpoint on disk, read one tensor at a time. Use it in a `with` statement.

    Attributes:
        format: "safetensors", "torch zip", "torch legacy", "msgpack", "orbax", or one of the first
            two with "sharded ".
        infos: what is known of each tensor, by name. The keys of nested containers are joined by
            dots.
        other: entries that are no tensors, by name.
        nested: top-level names that hold tensors in containers of their own.
        metadata: the texts that a safetensors header or a shard index carries.
        versions: what `state_dict` noted of each module, where the file keeps it.
    """

    format = ""

    def __init__(self) -> None:
        self.infos: dict[str, TensorInfo] = {}
        self.other: dict[str, Any] = {}
        self.nested: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.versions: dict[str, dict] | None = None

    def read(self, name: str) -> Tensor:
        """The tensor called `name`, read now and not kept."""
        raise NotImplementedError

    def fetch(self, name: str) -> Tensor:
        """`read`, with the memory of tensors that are gone freed first; errors name the file."""
        release()
        with naming(f"while reading {name!r} from {self.infos[name].file}"):
            return self.read(name)

    def values(self, name: str) -> np.ndarray:
        """The same as an array in the memory and the layout that was read."""
        tensor = self.fetch(name)
        held = np.asarray(tensor._cell.root.value).reshape(-1)
        start = tensor.storage_offset() * held.itemsize if tensor.numel() else 0
        steps = [step * held.itemsize for step in tensor.stride()]
        raw = held.view(np.uint8)  # float8 has no buffer of its own
        return np.ndarray(tuple(tensor.shape), held.dtype, raw, start, steps)

    def close(self) -> None:
        """Closes the files; tensors that were read stay."""

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def ties(self) -> list[list[str]]:
        """Groups of two and more names that stand for one tensor."""
        groups: dict[Hashable, list[str]] = {}
        for name, info in self.infos.items():
            groups.setdefault(info.tie, []).append(name)
        return [names for names in groups.values() if len(names) > 1]


class Safetensors(Checkpoint):
    """A safetensors file.

    Names that the header's metadata maps to a tensor's name stand for that tensor: safetensors'
    `save_model` notes tied weights so.
    """

    format = "safetensors"

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__()
        self._file = SafetensorsFile(path)
        self._kept = {name: name for name in self._file.entries}
        for name, kept in (self._file.metadata or {}).items():
            if name not in (*self._kept, "format") and kept in self._file.entries:
                self._kept[name] = kept
            else:
                self.metadata[name] = kept
        where = os.fspath(path)
        for name, kept in self._kept.items():
            entry = self._file.entries[kept]
            self.infos[name] = TensorInfo(entry.dtype, entry.shape, (where, kept), str(where))

    def read(self, name: str) -> Tensor:
        return self._file.tensor(self._kept[name])

    def close(self) -> None:
        self._file.close()


class Part(Checkpoint):
    """What a checkpoint holds under one of its names, such as `state_dict`.

    Raises:
        KeyError: it holds nothing there.
    """

    def __init__(self, whole: Checkpoint, key: str) -> None:
        super().__init__()
        self._whole, self._prefix = whole, key + "."
        self.format, self.metadata = whole.format, whole.metadata
        self.infos, self.other = self._below(whole.infos), self._below(whole.other)
        if not self.infos:
            raise KeyError(f"the checkpoint has no tensors under {key!r}; {describe_keys(whole)}")
        self.versions = getattr(whole, "versions_below", {}).get(key)

    def _below(self, entries: dict[str, Any]) -> dict[str, Any]:
        start = len(self._prefix)
        return {k[start:]: v for k, v in entries.items() if k.startswith(self._prefix)}

    def read(self, name: str) -> Tensor:
        return self._whole.read(self._prefix + name)

    def close(self) -> None:
        self._whole.close()


def describe_keys(checkpoint: Checkpoint) -> str:
    """Where the tensors of a checkpoint are, in words."""
    tops = dict.fromkeys(name.partition(".")[0] for name in checkpoint.infos if "." in name)
    under = checkpoint.nested or list(tops)
    if not under:
        return "its tensors are at the top"
    return "it has tensors under " + _list([repr(name) for name in under])


class Sharded(Checkpoint):
    """Several files with an index that says which file has which tensor.

    Args:
        index: the index's path, for error texts.
        weight_map: from a tensor's name to the path of its file.
        open_one: opens one of the files.

    Raises:
        FileNotFoundError: shards are missing.
        ValueError: shards lack tensors that the index promises, or two have a tensor of one name
            and the index does not say which counts.
    """

    def __init__(
        self,
        index: str,
        weight_map: dict[str, str],
        metadata: dict[str, Any],
        open_one: Callable[[str], Checkpoint],
    ) -> None:
        super().__init__()
        self._shards: dict[str, Checkpoint] = {}
        self.metadata = dict(metadata)
        try:
            paths = list(dict.fromkeys(weight_map.values()))
            absent = [path for path in paths if not os.path.isfile(path)]
            if absent:
                raise FileNotFoundError(f"{index} names shards that do not exist: {_list(absent)}")
            for path in paths:
                self._shards[path] = open_one(path)
            self._collect(index, weight_map)
        except BaseException:
            self.close()
            raise
        kinds = dict.fromkeys(shard.format for shard in self._shards.values())
        self.format = "sharded " + "/".join(kinds)

    def _collect(self, index: str, weight_map: dict[str, str]) -> None:
        self._home: dict[str, Checkpoint] = {}
        lacking = [n for n, path in weight_map.items() if n not in self._shards[path].infos]
        if lacking:
            told = [f"{name!r} in {os.path.basename(weight_map[name])}" for name in lacking]
            raise ValueError(f"{index} promises tensors that the shards lack: {_list(told)}")
        for path, shard in self._shards.items():
            for name, info in shard.infos.items():
                if weight_map.get(name, path) != path:
                    continue
                if name in self._home:
                    both = f"{self.infos[name].file} and {path}"
                    raise ValueError(f"{name!r} is in two shards, {both}, and not in {index}")
                self._home[name], self.infos[name] = shard, info
            self.other.update(shard.other)
            for key, text in shard.metadata.items():
                self.metadata.setdefault(key, text)

    def read(self, name: str) -> Tensor:
        return self._home[name].read(name)

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
