"""The result of `compare_models`: rows, the first divergence, and both as text and JSON."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, NamedTuple

from converters._cli._print import table
from torchcompat.serialization._atomic import write_file


class Error(NamedTuple):
    """How far tensors are apart.

    Attributes:
        max_abs: the largest absolute error.
        max_rel: the same in units of the largest expected value.
        ok: whether it is within the tolerance.
        detail: what differs besides values (a shape, a dtype, a number of tensors), if anything.
    """

    max_abs: float = 0.0
    max_rel: float = 0.0
    ok: bool = True
    detail: str = ""

    def worse(self, other: Error) -> Error:
        """The larger of two errors in each part."""
        return Error(
            max(self.max_abs, other.max_abs),
            max(self.max_rel, other.max_rel),
            self.ok and other.ok,
            self.detail or other.detail,
        )


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
        head = ["", "module", "class", "max abs", "max rel", "grad abs", "grad rel"]
        lines = [_line(row) for row in self.rows]
        right = (3, 4, 5, 6)
        if not self.backward:
            head, lines = head[:5], [line[:5] for line in lines]
        return table(head, lines, right)

    def __str__(self) -> str:
        lines = [self.table()] if self.rows else []
        for title, found in (
            ("forward", self.first_divergence),
            ("backward", self.first_backward_divergence),
        ):
            if title == "forward" or self.backward or found:
                lines.append(f"{title}: " + (f"first diverges at {found}" if found else "agrees"))
        lines += [f"{name}: {what}" for name, what in self.weights.items()]
        lines += [f"only in torch's model: {name}" for name in self.only_in_torch]
        lines += [f"only in ours: {name}" for name in self.only_in_ours]
        return "\n".join(lines + self.notes)

    def to_json(self) -> str:
        """Everything as JSON; infinities are texts."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return json.dumps(_plain({"ok": self.ok, **fields}), indent=2)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the JSON to a file."""
        text = self.to_json().encode() + b"\n"
        write_file(path, lambda file: file.write(text))


def _line(row: Row) -> tuple[str, ...]:
    wrong = row.output is None or not row.output.ok or (row.gradient and not row.gradient.ok)
    name = row.module or "(model)"
    called = f"{name} (call {row.call + 1})" if row.call else name
    return ("!" if wrong else "", called, row.kind, *_cells(row.output), *_cells(row.gradient))


def _cells(error: Error | None) -> tuple[str, str]:
    if error is None:
        return "-", "-"
    return f"{error.max_abs:.2e}", error.detail or f"{error.max_rel:.2e}"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and abs(value) == float("inf"):
        return str(value)
    return value
