"""Tables, sizes and progress as text."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of texts under their headings, in columns; `right` are the columns of numbers."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(_line(line, widths, right) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths))
    )
    return "  ".join(padded).rstrip()


def human(nbytes: int) -> str:
    """A size in the unit that suits it: 512 B, 1.50 MB."""
    size, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{nbytes} B" if unit == "B" else f"{size:.2f} {unit}"


class Progress:
    """One line on a terminal's standard error that counts tensors; nothing where that is no terminal.

    Args:
        hidden: show nothing anywhere.
    """

    def __init__(self, hidden: bool = False) -> None:
        self._shown = not hidden and sys.stderr.isatty()
        self._count = self._bytes = 0

    def __call__(self, name: str, nbytes: int) -> None:
        self._count += 1
        self._bytes += nbytes
        if self._shown:
            text = f"{self._count} tensors, {human(self._bytes)}  {name}"
            print(f"\r{text[:100]:<100}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Clears the line."""
        if self._shown and self._count:
            print("\r" + " " * 100 + "\r", end="", file=sys.stderr, flush=True)
