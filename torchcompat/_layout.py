"""Views as torch has them: size, stride and offset over a storage, and the rules that make them.

A layout is `(size, stride, offset)` in elements. `_strided.py` reads and writes what it names.
"""

from __future__ import annotations

import math
from functools import lru_cache

Layout = tuple[tuple[int, ...], tuple[int, ...], int]


def contiguous_strides(size: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides of `size`, in elements; empty dimensions count as one, as in torch."""
    strides = []
    step = 1
    for n in reversed(size):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@lru_cache(4096)
def contiguous(size: tuple[int, ...]) -> Layout:
    return size, contiguous_strides(size), 0


def is_contiguous(layout: Layout) -> bool:
    """Whether the elements lie in row-major order without gaps."""
    size, stride, _ = layout
    if 0 in size:
        return True
    return all(n == 1 or s == c for n, s, c in zip(size, stride, contiguous_strides(size)))


@lru_cache(4096)
def reshaped(layout: Layout, size: tuple[int, ...]) -> Layout | None:
    """The layout of the same elements under another size, or None if no strides express it."""
    old_size, old_stride, offset = layout
    if math.prod(size) == 0:
        return size, old_stride if size == old_size else contiguous_strides(size), offset
    new_stride = [0] * len(size)
    axis = len(size) - 1
    for length, step in _runs(old_size, old_stride):
        held = 1
        while axis >= 0 and (held < length or size[axis] == 1):
            new_stride[axis] = held * step
            held *= size[axis]
            axis -= 1
        if held != length:
            return None
    return size, tuple(new_stride), offset


def _runs(size: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[int, int]]:
    """`(length, step)` of each group of dimensions that one step covers, innermost first."""
    if not size:
        return [(1, 1)]
    runs = [(size[-1], stride[-1])]
    for n, s in zip(reversed(size[:-1]), reversed(stride[:-1])):
        length, step = runs[-1]
        if n == 1 or s == length * step:
            runs[-1] = (length * n, step)
        else:
            runs.append((n, s))
    return runs


def permuted(layout: Layout, dims: tuple[int, ...]) -> Layout:
    size, stride, offset = layout
    return tuple(size[d] for d in dims), tuple(stride[d] for d in dims), offset


def sliced(layout: Layout, dim: int, start: int, length: int, step: int = 1) -> Layout:
    size, stride, offset = layout
    size = (*size[:dim], length, *size[dim + 1 :])
    moved = offset + start * stride[dim]
    return size, (*stride[:dim], stride[dim] * step, *stride[dim + 1 :]), moved


def selected(layout: Layout, dim: int, index: int) -> Layout:
    size, stride, offset = sliced(layout, dim, index, 1)
    return size[:dim] + size[dim + 1 :], stride[:dim] + stride[dim + 1 :], offset


def inserted(layout: Layout, dim: int) -> Layout:
    """With a dimension of size 1 at `dim`."""
    size, stride, offset = layout
    step = size[dim] * stride[dim] if dim < len(size) else 1
    return (*size[:dim], 1, *size[dim:]), (*stride[:dim], step, *stride[dim:]), offset


def dropped(layout: Layout, dims: tuple[int, ...]) -> Layout:
    """Without the dimensions `dims`, each of size 1."""
    size, stride, offset = layout
    keep = [d for d in range(len(size)) if d not in dims]
    return tuple(size[d] for d in keep), tuple(stride[d] for d in keep), offset


def expanded(layout: Layout, size: tuple[int, ...]) -> Layout:
    """Broadcast to `size`: new and stretched dimensions have stride 0."""
    old_size, old_stride, offset = layout
    lead = len(size) - len(old_size)
    stride = [0] * lead
    for new, n, s in zip(size[lead:], old_size, old_stride):
        stride.append(s if n == new else 0)
    return size, tuple(stride), offset


def diagonal(layout: Layout, offset: int, dim1: int, dim2: int) -> Layout:
    size, stride, start = layout
    length = max(min(size[dim1] + min(offset, 0), size[dim2] - max(offset, 0)), 0)
    if length:
        start += -offset * stride[dim1] if offset < 0 else offset * stride[dim2]
    rest, steps, _ = dropped(layout, (dim1, dim2))
    return (*rest, length), (*steps, stride[dim1] + stride[dim2]), start


def unfolded(layout: Layout, dim: int, length: int, step: int) -> Layout:
    size, stride, offset = layout
    if not size:
        return (length,), (1,), offset
    windows = (size[dim] - length) // step + 1
    return (
        (*size[:dim], windows, *size[dim + 1 :], length),
        (*stride[:dim], stride[dim] * step, *stride[dim + 1 :], stride[dim]),
        offset,
    )


def overlaps_itself(layout: Layout) -> bool:
    """Whether two elements share memory through a zero stride (an expanded tensor)."""
    return any(s == 0 and n > 1 for n, s in zip(layout[0], layout[1]))
