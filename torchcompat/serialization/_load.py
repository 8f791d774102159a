"""`load`: torch's files of every format, told apart by their content."""

from __future__ import annotations

import io
import os
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torchcompat.serialization import _allowed, _native
from torchcompat.serialization._legacy_load import load_legacy
from torchcompat.serialization._messages import UNSAFE, weights_only_error
from torchcompat.serialization._safetensors import load_safetensors, looks_like_safetensors
from torchcompat.serialization._scan import Scanner
from torchcompat.serialization._source import MAP_FROM, FileSource, PathSource, Source
from torchcompat.serialization._unpickler import WeightsUnpickler
from torchcompat.serialization._zip_load import MakeUnpickler, load_zip
from torchcompat.serialization._zip_read import ZipReader

_native.FUNCTIONS["torch.storage._load_from_bytes"] = lambda data: load(
    io.BytesIO(data), weights_only=False
)

_TRUE = ("1", "y", "yes", "true")
_ZIP_MAGIC = b"PK\3\4"
_TAR_MAGIC_AT = 257


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Loads what `torch.save`, `torchcompat.save` or safetensors wrote. Needs no torch.

    The format is told from the file's content: torch's zip archive, its older format, or
    safetensors (a dict of tensors). A file that is damaged ends in an exception and has no other
    effect; nothing larger than the file is allocated.

    Args:
        f: a path, or a seekable binary file object, read from its current position.
        map_location: where storages go: None (where they were saved from), a device or its name,
            a dict from tag to tag, or a function (storage, tag) -> storage or None. `meta` reads
            no data.
        pickle_module: the unpickler of `weights_only=False`. Default: `pickle`.
        weights_only: True (the default) builds tensors, numbers, strings, containers and what
            `add_safe_globals` allows, and refuses every other name. False runs what the file says:
            for files you trust. Whole models of torch then become torchcompat's.
        mmap: True maps the file and uses its pages as the tensors' memory, without a copy where
            they are 64-byte aligned, as in torch's zip files. None does so for paths to files of
            32 MiB and more. The file may be renamed, deleted or saved over with `save`, but must
            not be overwritten in place while its tensors live. False reads everything, and
            verifies the CRC-32 of zip records, which mapping leaves out.
        **pickle_load_args: passed on to the unpickler of `weights_only=False`.

    Raises:
        pickle.UnpicklingError: refused under `weights_only=True`, or a damaged pickle.
        RuntimeError: the archive is damaged, or a device is missing.
        NotImplementedError: the file holds a type that JAX lacks (complex32, quantized, sparse).

    Differs from torch: `mmap=True` and every `map_location` are accepted for all three formats, and
    pickle protocols up to 5 under `weights_only=True`.
    """
    weights_only = _resolve_weights_only(weights_only, pickle_module)
    if pickle_load_args and weights_only:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    pickle_load_args.setdefault("encoding", "utf-8")
    if mmap and not _is_path(f):
        raise ValueError("f must be a file path in order to use the mmap argument")
    with _opened(f) as source:
        mapped = source.size >= MAP_FROM and _is_path(f) if mmap is None else mmap
        if not weights_only:
            make = _native.make_unpickler(pickle_module or pickle, **pickle_load_args)
            return _load(source, make, map_location, mapped, False)
        try:
            return _load(source, _weights_unpickler(pickle_load_args), map_location, mapped, True)
        except pickle.UnpicklingError as error:
            raise weights_only_error(error) from None


def _weights_unpickler(pickle_load_args: dict[str, Any]) -> MakeUnpickler:
    unknown = pickle_load_args.keys() - {"encoding"}
    if unknown:
        raise TypeError(f"Unpickler.__init__() got an unexpected keyword argument '{min(unknown)}'")
    encoding = pickle_load_args["encoding"]
    return lambda stream, size, storages: WeightsUnpickler(stream, size, storages, encoding)


def _load(
    source: Source, make: MakeUnpickler, map_location: Any, mapped: bool, weights_only: bool
) -> Any:
    head = source.read(0, _TAR_MAGIC_AT + 5)
    if not head:
        raise EOFError("Ran out of input: the file is empty")
    if looks_like_safetensors(head) or source.name.endswith(".safetensors"):
        return load_safetensors(source, map_location, mapped)
    if head.startswith(_ZIP_MAGIC):
        return load_zip(source, make, map_location, mapped, weights_only)
    if head[_TAR_MAGIC_AT:] == b"ustar":
        _refuse_tar(weights_only)
    return load_legacy(source, make, map_location, mapped)


def _refuse_tar(weights_only: bool) -> None:
    if weights_only:
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with files saved in the legacy .tar format. " + UNSAFE
        )
    raise NotImplementedError("torch.load: the file has the .tar format of torch before 0.1.10")


def _resolve_weights_only(weights_only: bool | None, pickle_module: Any) -> bool:
    forced = os.getenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0").lower() in _TRUE
    freed = os.getenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0").lower() in _TRUE
    if forced and freed:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` "
            "should be set, but both were set."
        )
    if forced or (weights_only is None and not freed):
        weights_only = forced or pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return bool(weights_only)


def _is_path(f: Any) -> bool:
    return isinstance(f, (str, os.PathLike))


@contextmanager
def _opened(f: Any) -> Iterator[Source]:
    source = PathSource(f) if _is_path(f) else _file_source(f)
    try:
        yield source
    finally:
        source.close()


def _file_source(f: Any) -> FileSource:
    try:
        f.seek(f.tell())
    except (io.UnsupportedOperation, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the "
            "data into a buffer like io.BytesIO and try to load from it instead."
        ) from error
    return FileSource(f)


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The globals in a zip checkpoint that `load(weights_only=True)` would refuse.

    Args:
        f: a path, or a seekable binary file object.

    Raises:
        ValueError: the file is no zip checkpoint.
    """
    with _opened(f) as source:
        if source.read(0, 4) != _ZIP_MAGIC:
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        archive = ZipReader(source)
        if "constants.pkl" in archive:
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript "
                "checkpoint"
            )
        data = archive.read("data.pkl")
        scanner = Scanner(io.BytesIO(data), len(data))
        scanner.load()
    return sorted(scanner.globals - _allowed.GLOBALS.keys() - _allowed.user_globals().keys())
