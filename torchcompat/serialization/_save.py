"""`save`: files that torch's `torch.load(weights_only=True)` opens."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

from torchcompat.serialization._atomic import write_file
from torchcompat.serialization._legacy_load import MAGIC_NUMBER, PROTOCOL_VERSION
from torchcompat.serialization._options import skips_data
from torchcompat.serialization._pickler import Pickler, storage_bytes
from torchcompat.serialization._zip_write import ZipWriter

DEFAULT_PROTOCOL = 2

_SYSTEM = {
    "protocol_version": PROTOCOL_VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Saves an object to a file that torch opens, and `load` too. Needs no torch.

    Tensors that share a storage keep sharing it; sizes, strides and offsets are kept. Saving an
    equal object again gives equal bytes. A path is written atomically: to a temporary file in its
    folder, which takes the name once it is on disk; if anything fails, what was there stays. A
    `jax.Array` is saved as a tensor. Classes and functions of torchcompat are written under
    torch's names.

    Args:
        obj: tensors, numbers, strings and containers (for `weights_only=True`), or any picklable
            object.
        f: a path, or a binary file object with `write`; it need not be seekable.
        pickle_module: `pickle` only.
        pickle_protocol: torch's `weights_only=True` opens protocol 2 only.
        _use_new_zipfile_serialization: False writes the format that torch had before 1.6.

    Raises:
        NotImplementedError: another `pickle_module`.
    """
    if pickle_module is not pickle:
        raise NotImplementedError(
            f"save: pickle_module={pickle_module!r}; only pickle is supported"
        )
    _check_target(f, _use_new_zipfile_serialization)
    # The pickle is complete before the first byte is written: a failure to pickle writes nothing.
    write = (_zip if _use_new_zipfile_serialization else _legacy)(obj, pickle_protocol)
    if isinstance(f, (str, os.PathLike)):
        write_file(f, write)
    else:
        write(f)


def _check_target(f: Any, zipped: bool) -> None:
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError(
                "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
            )
        return
    folder = os.path.dirname(os.fspath(f))
    if not folder or os.path.isdir(folder):
        return
    if zipped:
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    raise FileNotFoundError(2, os.strerror(2), os.fspath(f))


def _zip(obj: Any, protocol: int) -> Callable[[BinaryIO], None]:
    data = io.BytesIO()
    pickler = Pickler(data, protocol)
    pickler.dump(obj)

    def write(file: BinaryIO) -> None:
        archive = ZipWriter(file)
        archive.add("data.pkl", data.getvalue())
        archive.add(".format_version", b"1")
        archive.add(".storage_alignment", b"64")
        archive.add("byteorder", b"little")
        for key, cell in enumerate(pickler.cells):
            block = storage_bytes(cell)
            archive.add(f"data/{key}", bytes(len(block)) if skips_data() else block)
        archive.add("version", b"3\n")
        archive.finish()

    return write


def _legacy(obj: Any, protocol: int) -> Callable[[BinaryIO], None]:
    data = io.BytesIO()
    for part in (MAGIC_NUMBER, PROTOCOL_VERSION, _SYSTEM):
        data.write(pickle.dumps(part, protocol))
    pickler = Pickler(data, protocol, with_view=True)
    pickler.dump(obj)
    keys = [str(key) for key in range(len(pickler.cells))]
    data.write(pickle.dumps(keys, protocol))

    def write(file: BinaryIO) -> None:
        file.write(data.getvalue())
        for cell, size in zip(pickler.cells, pickler.element_sizes):
            block = storage_bytes(cell)
            file.write((len(block) // size).to_bytes(8, "little"))
            file.write(block)

    return write
