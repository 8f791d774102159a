"""Writing a file so that its name never stands for half of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from typing import Any, BinaryIO


def write_file(path: str | os.PathLike, write: Callable[[BinaryIO], Any]) -> None:
    """Lets `write` fill a temporary file beside `path`, and gives it that name once it is on disk.

    If anything fails, the temporary file is removed and what was at `path` is untouched. A link
    keeps its place: the file that it points to is replaced. A device or a pipe is written to
    directly.
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
        with open(temporary, "xb") as file:
            if present is not None:
                os.chmod(temporary, stat.S_IMODE(present))
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


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
