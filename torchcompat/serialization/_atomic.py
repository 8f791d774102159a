"""Writing a file so that its name never stands for half of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO


def write_file(path: str | os.PathLike, write: Callable[[BinaryIO], Any]) -> None:
    """Lets `write` fill a new file, and gives it the name `path` once it is on disk.

    If anything fails, what was at `path` is untouched and nothing else is left: where the system
    can (Linux), the new file has no name until it is complete, so that not even a killed process
    leaves one. A link keeps its place: the file that it points to is replaced. A device or a pipe
    is written to directly.

    Raises:
        OSError: the file cannot be written; the error names `path`.
    """
    target = os.path.realpath(os.fspath(path))
    present = _mode(target)
    if present is not None and not stat.S_ISREG(present):
        with open(target, "wb") as file:
            write(file)
        return
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with _named_for(os.fspath(path), temporary), _fresh(folder, temporary) as file:
            if present is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(present))
            write(file)
            file.flush()
            os.fsync(file.fileno())
            if not os.path.lexists(temporary):
                os.link(f"/proc/self/fd/{file.fileno()}", temporary, src_dir_fd=file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _fresh(folder: str, temporary: str) -> BinaryIO:
    """A new file: without a name where that can be given later, or else `temporary`."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            return open(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666), "wb")
    return open(temporary, "xb")


@contextlib.contextmanager
def _named_for(path: Any, temporary: str) -> Iterator[None]:
    """Errors about the temporary file are told of the one that was asked for."""
    try:
        yield
    except OSError as error:
        if error.filename == temporary:
            error.filename = path
        raise


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _sync_folder(folder: str) -> None:
    """Makes the new name durable, where a folder can be synced at all."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
