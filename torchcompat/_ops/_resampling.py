"""Which input positions each output position of a resized dimension reads, and their weights.

Sizes are static, so these tables are made on the host, in the number type that torch computes them
in: the position that an output falls on depends on its rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Taps(NamedTuple):
    """One resized dimension.

    Attributes:
        index: input positions, `(out, taps)`.
        weight: their weights, `(out, taps)`; None where each output is a copy of its only tap.
    """

    index: np.ndarray
    weight: np.ndarray | None


class Resizing(NamedTuple):
    """What a dimension is to become.

    Attributes:
        size, out: lengths before and after.
        scale: the factor that was asked for, or None to take `out / size`.
        align_corners: whether the first and last elements keep their places.
        kind: number type of positions and weights.
    """

    size: int
    out: int
    scale: float | None
    align_corners: bool
    kind: np.dtype


def _step(one: Resizing) -> np.generic:
    """The distance of neighbouring outputs, in input elements."""
    kind = one.kind.type
    if one.align_corners:
        return kind(one.size - 1) / kind(one.out - 1) if one.out > 1 else kind(0)
    if one.scale is not None and one.scale > 0:
        return kind(1.0 / one.scale)
    return kind(one.size) / kind(one.out)


def _positions(one: Resizing) -> np.ndarray:
    """Where each output lies, in input elements."""
    steps = np.arange(one.out).astype(one.kind)
    if one.align_corners:
        return steps * _step(one)
    half = one.kind.type(0.5)
    return (steps + half) * _step(one) - half


def nearest(one: Resizing, small: bool = False) -> Taps:
    """The element at the rounded-down position, as old OpenCV has it.

    Args:
        small: as torch's kernel for small planes has it, which takes every element once or twice
            where the output is that large, whatever the scale is.
    """
    if small and one.out in (one.size, 2 * one.size):
        return _copies(np.arange(one.out) * one.size // one.out)
    single = one._replace(kind=np.dtype(np.float32)) if small else one
    positions = np.arange(one.out).astype(single.kind) * _step(single)
    return _copies(np.minimum(_floored(positions), one.size - 1))


def nearest_exact(one: Resizing, small: bool = False) -> Taps:
    """The element whose centre is nearest; `small` as in `nearest`."""
    if small:
        single = one._replace(kind=np.dtype(np.float32))
        positions = (np.arange(one.out) + 0.5) * _step(single)  # type: ignore[operator]
    else:
        positions = np.maximum(_positions(one), 0) + one.kind.type(0.5)
    return _copies(np.minimum(_floored(positions), one.size - 1))


def _floored(positions: np.ndarray) -> np.ndarray:
    """torch rounds down in single precision, whatever the positions are in."""
    return np.floor(positions.astype(np.float32)).astype(np.int64)


def _copies(index: np.ndarray) -> Taps:
    return Taps(index[:, None], None)


def _cells(positions: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The element before each position, and the way from it towards the next, in [0, 1]."""
    index = np.minimum(np.floor(positions).astype(np.int64), size - 1)
    return index, np.clip(positions - index.astype(positions.dtype), 0, 1)


def linear(one: Resizing) -> Taps:
    """The two elements around the position, each weighted by its nearness."""
    if one.out == one.size:
        return _copies(np.arange(one.out))
    index, way = _cells(np.maximum(_positions(one), 0), one.size)
    after = np.minimum(index + 1, one.size - 1)
    return Taps(np.stack([index, after], 1), np.stack([1 - way, way], 1))


def cubic(one: Resizing) -> Taps:
    """The four elements around the position, weighted by Keys' kernel; edges repeat.

    Source: Keys, Cubic convolution interpolation for digital image processing, 1981, with a = -3/4.
    """
    index, way = _cells(_positions(one), one.size)
    offsets = np.arange(-1, 3)
    weight = _keys(way[:, None] - offsets.astype(one.kind), -0.75)
    return Taps(np.clip(index[:, None] + offsets, 0, one.size - 1), weight)


def _hat(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _keys(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    x, a = np.abs(x), x.dtype.type(a)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, x.dtype.type(0)))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0).astype(x.dtype)


# filter -> its formula and its half width, in elements of the coarser grid
_FILTERS: dict[str, tuple[Callable, float]] = {
    "linear": (_hat, 1.0),
    "cubic": (_keys, 2.0),
    "lanczos": (_lanczos, 3.0),
}


def antialiased(one: Resizing, title: str) -> Taps:
    """All elements under a filter that is as wide as the output's elements are.

    Weights of outputs that see fewer elements than others are 0 beyond them.
    """
    if one.out == one.size:
        return _copies(np.arange(one.out))
    function, half = _FILTERS[title]
    step, kind = _step(one), one.kind.type
    wide = max(step, kind(1))
    support = kind(half) * wide
    centers = (np.arange(one.out).astype(one.kind) + kind(0.5)) * step
    first = np.maximum((centers - support + kind(0.5)).astype(np.int64), 0)
    longest = int(np.ceil(support)) * 2 + 1
    last = np.minimum((centers + support + kind(0.5)).astype(np.int64), one.size)
    count = np.clip(last - first, 0, longest)
    index = first[:, None] + np.arange(max(int(count.max(initial=0)), 1))
    away = (index.astype(one.kind) - centers[:, None] + kind(0.5)) * (kind(1) / wide)
    weight = np.where(index < (first + count)[:, None], function(away), kind(0))
    total = weight.sum(1, keepdims=True)
    weight = np.where(total != 0, weight / np.where(total != 0, total, 1), weight)
    return Taps(np.minimum(index, one.size - 1), weight.astype(one.kind))


def fixed_point(taps: Taps) -> tuple[Taps, int]:
    """The taps with 16-bit weights, and the number of binary places these hold (as in Pillow)."""
    weight = _gathered(taps)
    largest, places = float(weight.max(initial=0)), 0
    while places < 22 and int(0.5 + largest * (1 << (places + 1))) < 1 << 15:
        places += 1
    scaled = weight * (1 << places)
    return Taps(taps.index, np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int32)), places


def _gathered(taps: Taps) -> np.ndarray:
    """The weights, those of an element that an output names repeatedly added up at the first."""
    weight = taps.weight.astype(np.float64)
    for later in range(1, weight.shape[1]):
        for first in range(later):
            same = taps.index[:, first] == taps.index[:, later]
            weight[same, first] += weight[same, later]
            weight[same, later] = 0
    return weight
