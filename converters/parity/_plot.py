"""Errors over the depth of a model, drawn with matplotlib."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from converters.parity._error import Error

_FORWARD, _BACKWARD, _WRONG = "#1f77b4", "#ff7f0e", "#d62728"
_MOST_NAMES = 40


class Point(NamedTuple):
    """The errors of one call of a module; None where there is none."""

    name: str
    output: Error | None
    gradient: Error | None


def plot(points: Sequence[Point], path: str | os.PathLike) -> None:
    """Draws the relative errors of outputs and gradients in the order of the calls.

    Errors of 0 lie on the lower edge and infinite ones on the upper; what is over the tolerance is
    ringed.
    """
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise RuntimeError(
            f"a plot needs matplotlib: pip install 'torchcompat[plot]' ({error})"
        ) from None
    figure = figures.Figure(figsize=(max(6.4, min(0.24 * len(points), 16)), 4.8))
    axes = figure.subplots()
    low, high = _edges(points)
    for title, colour, marker, get in (
        ("output", _FORWARD, "o", lambda p: p.output),
        ("gradient", _BACKWARD, "s", lambda p: p.gradient),
    ):
        _series(axes, points, title, colour, marker, get, (low, high))
    axes.set(yscale="log", ylim=(low / 2, high * 2), xlabel="module, in the order of the calls")
    axes.set_ylabel("largest error, in units of the largest value")
    _name(axes, [point.name for point in points])
    axes.grid(axis="y", alpha=0.3)
    if points:
        axes.legend()
    figure.tight_layout()
    # Without the date and the random ids, equal reports make equal files.
    with importlib.import_module("matplotlib").rc_context({"svg.hashsalt": "torchcompat"}):
        kind = os.path.splitext(os.fspath(path))[1].lower()
        figure.savefig(path, metadata={"Date": None} if kind == ".svg" else None)


def _edges(points: Sequence[Point]) -> tuple[float, float]:
    found = [e.max_rel for p in points for e in (p.output, p.gradient) if e is not None]
    usual = [error for error in found if 0 < error < math.inf] or [1.0]
    return min(usual) / 10, max(usual) * 10


def _series(
    axes: Any,
    points: Sequence[Point],
    title: str,
    colour: str,
    marker: str,
    get: Callable[[Point], Error | None],
    edges: tuple[float, float],
) -> None:
    errors = [(x, get(point)) for x, point in enumerate(points)]
    known = [(x, error) for x, error in errors if error is not None]
    if not known:
        return
    heights = [min(max(error.max_rel, edges[0]), edges[1]) for _, error in known]
    axes.plot([x for x, _ in known], heights, marker=marker, ms=4, lw=1, color=colour, label=title)
    wrong = [(x, height) for (x, error), height in zip(known, heights) if not error.ok]
    if wrong:
        ring = {"marker": "o", "s": 90, "facecolors": "none", "edgecolors": _WRONG}
        axes.scatter(*zip(*wrong), **ring, label=f"{title} over the tolerance")


def _name(axes: Any, names: list[str]) -> None:
    step = -(-len(names) // _MOST_NAMES) or 1
    places = range(0, len(names), step)
    axes.set_xticks(places, [names[i] for i in places], rotation=90, fontsize=7)
