"""Results as text: tables, sizes and JSON."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

# Wide enough that nothing is folded where no terminal sets a width.
_UNBOUNDED = 1 << 16
WRONG = "bold red"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[int] = (),
    wrong: Iterable[int] = (),
) -> Table:
    """Rows of texts under their headings.

    Args:
        right: the columns of numbers.
        wrong: the rows that are to stand out.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for number, title in enumerate(head):
        made.add_column(
            Text(title), justify="right" if number in right else "left", overflow="fold"
        )
    marked = set(wrong)
    for number, row in enumerate(rows):
        made.add_row(*map(Text, row), style=WRONG if number in marked else None)
    return made


def console(file: TextIO | None = None, **options: Any) -> Console:
    """A console that prints texts as they are; on no terminal, as wide as they are."""
    file = sys.stdout if file is None else file
    if not file.isatty():
        options.setdefault("width", _UNBOUNDED)
    return Console(file=file, markup=False, emoji=False, highlight=False, **options)


def plain(*parts: RenderableType) -> str:
    """What a file gets: no colours, and no blanks at the ends of lines."""
    file = io.StringIO()
    console(file, color_system=None).print(*parts, sep="\n")
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def show(*parts: RenderableType) -> None:
    """Prints to standard output; colours only where that is a terminal."""
    if sys.stdout.isatty():
        console().print(*parts, sep="\n")
    else:
        print(plain(*parts))


def human(nbytes: int) -> str:
    """A size in the unit that suits it: 512 B, 1.50 MB."""
    size, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{nbytes} B" if unit == "B" else f"{size:.2f} {unit}"


def to_json(value: Any) -> str:
    """JSON of named tuples, data classes and containers; infinities and NaN are texts."""
    return json.dumps(_simple(value), indent=2)


def _simple(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _simple(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_simple(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
