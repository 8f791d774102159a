"""The result of `compare_models`: rows, the first divergence, and both as text and JSON."""

from __future__ import annotations

import dataclasses
import os
from typing import NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from converters import _text
from converters.parity._error import Error
from converters.parity._plot import Point, plot
from torchcompat.serialization._atomic import write_file


class Row(NamedTuple):
    """One call of one module, in the order in which torch's calls return.

    Attributes:
        output: the error of what it returned; None if our model did not call it.
        gradient: the error of the gradients of its inputs and parameters; None if there are none.
    """

    module: str
    kind: str
    call: int
    output: Error | None
    gradient: Error | None


class Divergence(NamedTuple):
    """Where two models part.

    Attributes:
        module: the module's name; "" is the model itself.
        kind: its class.
        reason: "output", "gradient", "own code" (what its forward does between or after its
            submodules), "not called" or "error" (ours raised).
        detail: the same in words.
    """

    module: str
    kind: str
    reason: str
    detail: str
    max_abs: float
    max_rel: float

    def __str__(self) -> str:
        return f"{self.module or '(model)'} ({self.kind}): {self.detail}"


@dataclasses.dataclass
class ParityReport:
    """What `compare_models` found.

    Attributes:
        rows: one for each call of a module.
        first_divergence: where the forward passes part, or None.
        first_backward_divergence: where the backward passes part, or None. It means something of
            its own only where the forward passes agree.
        weights: names of parameters and buffers whose values differ, and how.
        only_in_torch, only_in_ours: names of modules that the other model lacks.
        notes: circumstances that make models differ, such as training mode.
        backward: whether gradients were compared.
    """

    rows: list[Row]
    first_divergence: Divergence | None
    first_backward_divergence: Divergence | None
    weights: dict[str, str]
    only_in_torch: list[str]
    only_in_ours: list[str]
    notes: list[str]
    backward: bool

    @property
    def ok(self) -> bool:
        """Whether forward and, where it was compared, backward agree."""
        return self.first_divergence is None and self.first_backward_divergence is None

    def table(self) -> str:
        """The rows as text; a diverging one has a mark."""
        return _text.plain(self._table())

    def _table(self) -> Table:
        head = ["", "module", "class", "max abs", "max rel", "grad abs", "grad rel"]
        lines = [_line(row) for row in self.rows]
        if not self.backward:
            head, lines = head[:5], [line[:5] for line in lines]
        wrong = [number for number, line in enumerate(lines) if line[0]]
        return _text.table(head, lines, (3, 4, 5, 6), wrong)

    def _verdict(self) -> list[str]:
        lines = []
        for title, found in (
            ("forward", self.first_divergence),
            ("backward", self.first_backward_divergence),
        ):
            if title == "forward" or self.backward or found:
                lines.append(f"{title}: " + (f"first diverges at {found}" if found else "agrees"))
        lines += [f"{name}: {what}" for name, what in self.weights.items()]
        lines += [f"only in torch's model: {name}" for name in self.only_in_torch]
        lines += [f"only in ours: {name}" for name in self.only_in_ours]
        return lines + self.notes

    def __str__(self) -> str:
        return "\n".join([self.table()] * bool(self.rows) + self._verdict())

    def __rich__(self) -> Group:
        """What `rich.print` shows: the same, with the diverging rows in colour."""
        return Group(*[self._table()] * bool(self.rows), *map(Text, self._verdict()))

    def to_json(self) -> str:
        """Everything as JSON; infinities are texts."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _text.to_json({"ok": self.ok, **fields})

    def save(self, path: str | os.PathLike) -> None:
        """Writes the JSON to a file."""
        text = self.to_json().encode() + b"\n"
        write_file(path, lambda file: file.write(text))

    def plot(self, path: str | os.PathLike) -> None:
        """Draws the relative errors, forward and backward, over the depth of the call.

        Args:
            path: an image, in the format that its ending says (png, svg, pdf).

        Raises:
            RuntimeError: matplotlib is not installed.
        """
        points = [Point(_called(row), row.output, row.gradient) for row in self.rows]
        plot(points, path)


def _line(row: Row) -> tuple[str, ...]:
    wrong = row.output is None or not row.output.ok or (row.gradient and not row.gradient.ok)
    return (
        "!" if wrong else "",
        _called(row),
        row.kind,
        *_cells(row.output),
        *_cells(row.gradient),
    )


def _called(row: Row) -> str:
    name = row.module or "(model)"
    return f"{name} (call {row.call + 1})" if row.call else name


def _cells(error: Error | None) -> tuple[str, str]:
    if error is None:
        return "-", "-"
    return f"{error.max_abs:.2e}", error.detail or f"{error.max_rel:.2e}"
