"""The folder beside a target in which it is completed, and from which a later run can go on."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from typing import Any

from torchcompat.serialization._atomic import write_file


class Stage:
    """A folder `.NAME.partial` beside or in a target; use it in a `with` statement.

    With a `mark` it has a fixed name and stays when the block is left by an exception, so that a
    run with the same mark finds the files that were completed; with another mark, it is emptied.

    Args:
        target: what is to be written.
        inside: put it into the target, which is a folder that is there.
        mark: what the files depend on, as JSON can hold it. None: nothing is taken up again.

    Attributes:
        files: where to put the files.

    Raises:
        RuntimeError: another process writes the same target.
    """

    def __init__(self, target: str, inside: bool = False, mark: Any = None) -> None:
        parent, name = os.path.split(target)
        number = "" if mark is not None else f".{secrets.token_hex(8)}"
        self._folder = os.path.join(target if inside else parent, f".{name[:100]}{number}.partial")
        self._mark = None if mark is None else json.dumps(mark, sort_keys=True)
        self._target = target
        self._lock: int | None = None
        self.files = os.path.join(self._folder, "files")

    def __enter__(self) -> Stage:
        self._make()
        self._lock = _locked(self._folder, self._target)
        if self._mark is not None and self._read("mark") != self._mark:
            self._empty()
            _write(self._path("mark"), self._mark)
        os.makedirs(self.files, exist_ok=True)
        return self

    def _make(self) -> None:
        try:
            os.mkdir(self._folder)
        except FileExistsError:
            if self._mark is None:
                raise
        except OSError as error:
            error.filename = self._target
            raise

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        kept = kind is not None and self._mark is not None and os.listdir(self.files)
        if kept:
            error.add_note(f"{self._folder} keeps what is complete; run it again to go on from it")
        else:
            self.remove()
        if self._lock is not None:
            os.close(self._lock)

    def remove(self) -> None:
        """Deletes it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def begin_moving(self, names: list[str]) -> None:
        """Notes that the files are complete and go to their places one after another."""
        _write(self._path("moving"), json.dumps(names))

    def moving(self) -> list[str] | None:
        """The names that an earlier run has begun to move."""
        text = self._read("moving")
        return None if text is None else json.loads(text)

    def _empty(self) -> None:
        """Forgets what another mark left, with what of it is in its place already."""
        left = os.listdir(self.files) if os.path.isdir(self.files) else []
        for name in self.moving() or ():
            if name not in left:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._target, name))
        for entry in os.scandir(self._folder):
            shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _read(self, name: str) -> str | None:
        try:
            with open(self._path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None


def _write(path: str, text: str) -> None:
    write_file(path, lambda file: file.write(text.encode()))


def _locked(folder: str, target: str) -> int | None:
    """Locks a folder until the process ends; None on systems without such locks."""
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise RuntimeError(f"another process is writing {target}") from None
    return handle
