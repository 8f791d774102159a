"""Progress on a terminal."""

from __future__ import annotations

import sys
from typing import Any

from rich import progress

from converters._text import console


class Bar:
    """A bar of bytes on standard error while its `with` block runs; nothing on no terminal.

    Args:
        title: what stands before it.
        hidden: show nothing anywhere.
    """

    def __init__(self, title: str, hidden: bool = False) -> None:
        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        off = hidden or not sys.stderr.isatty()
        self._bar = progress.Progress(
            *columns, console=console(sys.stderr), transient=True, disable=off
        )
        self._task = self._bar.add_task(title, total=None)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._bar.stop()

    def __call__(self, name: str, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)
