"""Tensors as text, character for character as torch prints them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from torchcompat import _device, _dtype
from torchcompat._tensor._properties import item
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor

__all__ = ["set_printoptions"]


@dataclass(frozen=True)
class Options:
    """How tensors are printed.

    Attributes:
        precision: digits after the point.
        threshold: a tensor with more elements is summarised.
        edgeitems: how many elements a summary shows at each end of each dimension.
        linewidth: columns of a line.
        sci_mode: scientific notation always, never, or (None) where the values ask for it.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}
_options = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors are printed; see `Options`.

    Args:
        profile: "default", "short" or "full", under the other arguments.
    """
    global _options
    chosen = _options if profile is None else _PROFILES.get(profile, _options)
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    given = {name: value for name, value in given.items() if value is not None}
    _options = replace(chosen, sci_mode=sci_mode, **given)


@contextmanager
def printoptions(**options: Any) -> Any:
    """`set_printoptions` for a `with` block."""
    global _options
    before = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = before


# -- numbers --------------------------------------------------------------------------------------


class _Column:
    """How the numbers of one tensor are written, all with one width."""

    def __init__(self, values: np.ndarray) -> None:
        self.width = 1
        if values.dtype.kind != "f":
            self._write: Callable[[Any], str] = str
            self._widen(values.reshape(-1).tolist())
            return
        finite = values[np.isfinite(values) & (values != 0)]
        self._write = self._style(finite)
        self._widen(finite.tolist())

    def _widen(self, values: Sequence[Any]) -> None:
        self.width = max([self.width, *(len(self._write(value)) for value in values)])

    def _style(self, finite: np.ndarray) -> Callable[[float], str]:
        digits, scientific = _options.precision, False
        whole = bool(np.all(finite == np.ceil(finite)))
        if finite.size:
            low, high = float(np.abs(finite).min()), float(np.abs(finite).max())
            scientific = high / low > 1000 or high > 1e8 or (not whole and low < 1e-4)
            if _options.sci_mode is not None:
                scientific = _options.sci_mode
        if scientific:
            return lambda value: f"{value:.{digits}e}"
        if whole:
            return lambda value: f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return lambda value: f"{value:.{digits}f}"

    def text(self, value: Any) -> str:
        return self._write(value).rjust(self.width)


class _ComplexColumn:
    """How complex numbers are written: a column for the real parts and one for the imaginary."""

    def __init__(self, values: np.ndarray) -> None:
        self.real, self.imag = _Column(values.real), _Column(values.imag)
        self.width = self.real.width + self.imag.width + 1

    def text(self, value: complex) -> str:
        imag = self.imag.text(value.imag).lstrip() + "j"
        sign = "" if imag[0] in "+-" else "+"
        return self.real.text(value.real) + sign + imag


# -- brackets -------------------------------------------------------------------------------------


def _edges(values: np.ndarray) -> np.ndarray:
    """The elements that a summary shows."""
    for axis, n in enumerate(values.shape):
        if n > 2 * _options.edgeitems:
            edge = _options.edgeitems
            kept = np.r_[:edge, n - edge : n]
            values = values.take(kept, axis)
    return values


def _vector(values: np.ndarray, column: Any, indent: int, summary: bool) -> str:
    edge = _options.edgeitems
    room = max(1, math.floor((_options.linewidth - indent) / (column.width + 2)))
    if summary and not edge:
        texts = ["..."]
    elif summary and len(values) > 2 * edge:
        first, last = values[:edge].tolist(), values[-edge:].tolist()
        texts = [column.text(v) for v in first] + [" ..."] + [column.text(v) for v in last]
    else:
        texts = [column.text(v) for v in values.tolist()]
    lines = [", ".join(texts[i : i + room]) for i in range(0, len(texts), room)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(values: np.ndarray, column: Any, indent: int, summary: bool) -> str:
    if values.ndim == 0:
        return column.text(values.item())
    if values.ndim == 1:
        return _vector(values, column, indent, summary)
    edge = _options.edgeitems
    rows = list(range(len(values)))
    cut = summary and len(rows) > 2 * edge
    if cut:
        rows = rows[:edge] + rows[len(rows) - edge :]
    texts = [_nested(values[i], column, indent + 1, summary) for i in rows]
    if cut:
        texts.insert(edge, "...")
    return "[" + ("," + "\n" * (values.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def _printable(values: np.ndarray) -> np.ndarray:
    """The values in a type that NumPy computes with: half and 8-bit floats as float32."""
    if values.dtype.kind == "V" or values.dtype == np.float16:
        return values.astype(np.float32)
    return values


def _body(values: np.ndarray, indent: int) -> str:
    values = _printable(values)
    summary = values.size > _options.threshold
    shown = _edges(values) if summary else values
    column = _ComplexColumn(shown) if values.dtype.kind == "c" else _Column(shown)
    return _nested(values, column, indent, summary)


# -- the whole text -------------------------------------------------------------------------------


def _node_name(tensor: Tensor) -> str | None:
    try:
        node = tensor.grad_fn
    except RuntimeError:  # a view whose base was written to where nothing recorded it
        return "Invalid"
    return None if node is None else node.name().rsplit("::", 1)[-1]


def _contents(tensor: Tensor, indent: int) -> tuple[str, list[str]]:
    """The elements' text and what follows it."""
    value, kind, default = tensor._read(), tensor.dtype, _dtype.get_default_dtype()
    of_kind, of_size = f"dtype={kind}", f"size={tuple(tensor.shape)}"
    if isinstance(value, jax.core.Tracer):
        return "<traced>", [of_size, of_kind]
    where = tensor.device
    after = (
        [] if where.type in ("cpu", _device.get_default_device().type) else [f"device='{where}'"]
    )
    if isinstance(value, jax.ShapeDtypeStruct):
        return "...", [*after, of_size, *([] if kind is default else [of_kind])]
    if not tensor.numel():
        after += [] if tensor.ndim == 1 else [of_size]
        return "[]", after + ([] if kind is default else [of_kind])
    if not _options.edgeitems:
        after.append(of_size)
    if kind not in (default, default.to_complex(), _dtype.int64, _dtype.bool_):
        after.append(of_kind)
    return _body(np.asarray(value), indent), after


def _suffixed(text: str, suffixes: list[str], indent: int) -> str:
    """`text` and its suffixes, each on a new line where the last one is full."""
    width = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if width + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            width = indent + len(suffix)
        else:
            text += ", " + suffix
            width += len(suffix) + 2
    return text + ")"


def _title(tensor: Tensor) -> str:
    name = type(tensor).__name__
    return "tensor" if name in ("Tensor", "Parameter") else name


def text_of(tensor: Tensor) -> str:
    """The tensor as `repr` shows it."""
    start = _title(tensor) + "("
    indent = len(start)
    body, suffixes = _contents(tensor, indent)
    node = _node_name(tensor)
    if node is not None:
        suffixes.append(f"grad_fn=<{node}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    tangent = None if state.forward is None else state.forward.tangent(tensor)
    if tangent is not None:
        suffixes.append(f"tangent={text_of(tangent)}")
    return _suffixed(start + body, suffixes, indent)


def _repr(self: Tensor, *, tensor_contents: Any = None) -> str:
    return text_of(self)


def _format(self: Tensor, spec: str) -> str:
    traced = isinstance(self._read(), jax.core.Tracer)
    if not self.ndim and not self.is_meta and (spec or not traced):
        return format(item(self), spec)
    return object.__format__(self, spec)


Tensor.__repr__ = _repr
Tensor.__str__ = _repr
Tensor.__format__ = _format
