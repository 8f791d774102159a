"""Orbax checkpoints: their tree opened without values, and written one tensor at a time.

What Orbax has no place for (ties, empty arrays, texts) is noted in its custom metadata.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from converters.files._checkpoint import Checkpoint, TensorInfo
from converters.files._items import Item, Progress, encoded, silent, split_ties
from converters.files._stage import Stage
from converters.files._trees import joined, leaves, nest
from torchcompat import _device, _dtype
from torchcompat._tensor import Tensor, wrap
from torchcompat.serialization._storage import put

TREE, STEP = "_METADATA", "_CHECKPOINT_METADATA"
_NOTE = "torchcompat"
# Parts in which arrays are stored, in bytes: what is held beside a tensor as it is read.
_CHUNK = 32 << 20


def _orbax() -> Any:
    try:
        return importlib.import_module("orbax.checkpoint")
    except ImportError as error:
        raise RuntimeError(
            f"Orbax checkpoints need orbax-checkpoint: pip install 'torchcompat[orbax]' ({error})"
        ) from None


def find_tree(folder: str) -> str | None:
    """The folder of the one tree in an Orbax checkpoint, a step or a manager's folder; or None.

    Raises:
        ValueError: there are several.
    """
    if os.path.isfile(os.path.join(folder, TREE)):
        return folder
    below = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())
    marks = (TREE,) if os.path.isfile(os.path.join(folder, STEP)) else (STEP,)
    found = [one for one in below if any(os.path.isfile(os.path.join(one, m)) for m in marks)]
    if len(found) > 1:
        names = ", ".join(map(os.path.basename, found))
        raise ValueError(f"{folder} holds several Orbax checkpoints, {names}: name one of them")
    return find_tree(found[0]) if found else None


class Orbax(Checkpoint):
    """A tree that Orbax's PyTree or Standard checkpointer wrote.

    Scalars and texts are entries that are no tensors.
    """

    format = "orbax"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = os.path.abspath(folder)
        self._ocp = _orbax()
        meta = self._reader().metadata(self._folder).item_metadata
        note = (meta.custom_metadata or {}).get(_NOTE, {})
        tree = getattr(meta, "tree", meta)
        found = list(leaves(tree, lambda x: hasattr(x, "name")))
        names = joined([path for path, _ in found])
        self._leaves: dict[str, Any] = {}
        plain = {}
        for name, (path, leaf) in zip(names, found):
            if type(leaf).__name__ == "ArrayMetadata":
                self._enter(name, leaf)
            elif leaf is not None:
                plain[name] = path
        self._enter_noted(note)
        self.metadata = note.get("metadata", {})
        handlers = self._ocp.type_handlers
        self._handler, self._context = handlers.NumpyHandler(), handlers.get_ts_context()
        self._is_ocdbt = handlers.is_ocdbt_checkpoint(self._folder)
        self._is_zarr3 = bool(getattr(meta, "use_zarr3", False))
        if plain:
            self._read_plain(plain)

    def _reader(self) -> Any:
        return self._ocp.Checkpointer(self._ocp.PyTreeCheckpointHandler())

    def _enter(self, name: str, leaf: Any) -> None:
        kind = _dtype.BY_NAME.get(np.dtype(leaf.dtype).name)
        if kind is None:
            raise NotImplementedError(f"{name!r} is {leaf.dtype}, which torchcompat has not")
        self._leaves[name] = leaf
        tie = (self._folder, name)
        self.infos[name] = TensorInfo(kind, tuple(leaf.shape), tie, self._folder)

    def _enter_noted(self, note: dict) -> None:
        for name, (kind, shape) in note.get("empty", {}).items():
            tie = (self._folder, name)
            self.infos[name] = TensorInfo(_dtype.BY_NAME[kind], tuple(shape), tie, self._folder)
        for name, kept in note.get("tied", {}).items():
            if kept in self.infos:
                self.infos[name] = self.infos[kept]
                self._leaves[name] = self._leaves.get(kept)

    def _read_plain(self, plain: dict[str, tuple[str, ...]]) -> None:
        wanted = nest({".".join(path): 0 for path in plain.values()})
        arguments = self._ocp.args.PyTreeRestore(item=wanted, partial_restore=True)
        values = self._reader().restore(self._folder, args=arguments)
        self.other.update(zip(plain, (leaf for _, leaf in leaves(values, lambda x: False))))

    def read(self, name: str) -> Tensor:
        info = self.infos[name]
        leaf = self._leaves.get(name)
        if leaf is not None:
            values = self._run(self._handler.deserialize([self._place(leaf)]))[0]
        else:
            values = np.zeros(info.shape, info.dtype.numpy)
        return wrap(put(np.asarray(values), _device.device("cpu")))

    def _place(self, leaf: Any) -> Any:
        return self._ocp.type_handlers.ParamInfo(
            name=leaf.name,
            parent_dir=leaf.directory,
            is_ocdbt_checkpoint=self._is_ocdbt,
            use_zarr3=self._is_zarr3,
            ts_context=self._context,
        )

    def _run(self, coroutine: Any) -> Any:
        """In a thread of its own: a notebook has a running loop, in which one cannot wait."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, coroutine).result()


def write_orbax(
    path: str | os.PathLike,
    items: Sequence[Item],
    metadata: dict[str, str] | None = None,
    progress: Progress = silent,
) -> None:
    """Writes nested dicts by the dots of the names, as any of Orbax's checkpointers restores them.

    Tied tensors are written once, under the first of their names, as `nnx.split` has them. The
    other names, and empty tensors, which Orbax refuses, are in the notes.

    Raises:
        FileExistsError: there is something at `path`.
        ValueError: a name stands for a tensor and for a dict.
    """
    ocp = _orbax()
    target = os.path.abspath(os.fspath(path))
    if os.path.lexists(target):
        raise FileExistsError(f"{target} is there already")
    kept, others = split_ties(items)
    full = {item.name: item for item in kept if item.nbytes}
    empty = {i.name: (i.dtype.name, list(i.shape)) for i in kept if not i.nbytes}
    note = {"metadata": metadata or {}, "tied": others, "empty": empty}
    tree = nest({name: _Promise(item) for name, item in full.items()})
    handlers = ocp.type_handlers
    registry = handlers.create_type_handler_registry(
        (_Promise, _handler(ocp, progress)),
        (jax.Array, handlers.ArrayHandler()),  # without it Orbax warns
    )
    writer = ocp.Checkpointer(ocp.PyTreeCheckpointHandler(type_handler_registry=registry))
    with Stage(target) as stage:
        arguments = ocp.args.PyTreeSave(tree, custom_metadata={_NOTE: note})
        writer.save(stage.files, args=arguments, force=True)
        os.rename(stage.files, target)


class _Promise:
    """Stands in a tree for a tensor whose turn has not come."""

    def __init__(self, item: Item) -> None:
        self.item, self.shape, self.dtype = item, item.shape, item.dtype.numpy
        self.ndim, self.nbytes = len(item.shape), item.nbytes
        self.size = self.nbytes // item.dtype.itemsize

    def cast(self) -> np.ndarray:
        """The values, read now; in new memory only if they are to be cast."""
        held = self.item.values()
        if held.dtype == self.dtype and held.flags.c_contiguous:
            return held
        values = np.empty(self.shape, self.dtype)
        raw, at = values.reshape(-1).view(np.uint8), 0
        for piece in encoded(held, self.item.dtype):
            raw[at : at + len(piece)] = piece
            at += len(piece)
        return values


def _handler(ocp: Any, progress: Progress) -> Any:
    """What Orbax calls to store promises: it keeps them one after another."""

    class Handler(ocp.type_handlers.NumpyHandler):
        async def serialize(self, values: Any, infos: Any, args: Any = None) -> list:
            for promise, info in zip(values, infos):
                how = ocp.SaveArgs(chunk_byte_size=_CHUNK)
                for done in await super().serialize([promise.cast()], [info], [how]):
                    done.result()
                progress(promise.item.name, promise.nbytes)
            return []

    return Handler(deepcopy_host_arrays=False)
