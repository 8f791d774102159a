"""Views as torch has them: size, stride and offset over a storage, and how to read and write one.

A layout is `(size, stride, offset)` in elements. The rules below compute the layout of each kind of
view; `read` and `write` carry values between a storage and a layout over it. A layout made by
slicing, permuting and reshaping is turned into exactly those operations (`_plan`), so XLA sees
slices and transposes; anything else (overlapping or wrapping strides) goes through explicit indices.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

Layout = tuple[tuple[int, ...], tuple[int, ...], int]


def contiguous_strides(size: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides of `size`, in elements; empty dimensions count as one, as in torch."""
    strides = []
    step = 1
    for n in reversed(size):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


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
    if math.prod(size) == 0 or is_contiguous(layout):
        return size, contiguous_strides(size), offset
    new_stride = [0] * len(size)
    axis = len(size) - 1
    for length, step in reversed(_runs(old_size, old_stride)):
        held = 1
        while axis >= 0 and (held < length or size[axis] == 1):
            new_stride[axis] = held * step
            held *= size[axis]
            axis -= 1
        if held != length:
            return None
    return size, tuple(new_stride), offset


def _runs(size: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[int, int]]:
    """`(length, step)` of each maximal group of dimensions that one step size covers."""
    runs: list[tuple[int, int]] = []
    for n, s in zip(size, stride):
        if n == 1:
            continue
        if runs and runs[-1][1] == n * s:
            runs[-1] = (runs[-1][0] * n, s)
        else:
            runs.append((n, s))
    return runs or [(1, 1)]


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


class _Plan(NamedTuple):
    """A layout as pad, reshape to `grid`, slice, transpose to dimension order, broadcast."""

    grid: tuple[int, ...]
    starts: tuple[int, ...]
    axes: tuple[int, ...]
    lengths: tuple[int, ...]


@lru_cache(4096)
def _plan(total: int, layout: Layout) -> _Plan | None:
    size, stride, offset = layout
    if 0 in size:
        return None
    axes = [d for d in range(len(size)) if size[d] > 1 and stride[d] > 0]
    axes.sort(key=lambda d: -stride[d])
    steps = [stride[d] for d in axes]
    if any(step % after for step, after in zip(steps, steps[1:])) or len(set(steps)) < len(steps):
        return None
    grid, starts, rest = [], [], offset
    before = None
    for step in steps:
        grid.append(-(-total // step) if before is None else before // step)
        starts.append(rest // step)
        rest %= step
        before = step
    grid.append(before if before is not None else total)
    starts.append(rest)
    lengths = [size[d] for d in axes] + [1]
    if any(start + n > room for start, n, room in zip(starts, lengths, grid)):
        return None
    return _Plan(tuple(grid), tuple(starts), tuple(axes), tuple(lengths))


def _indices(layout: Layout) -> np.ndarray:
    size, stride, offset = layout
    index = np.full((), offset, np.int64)
    for n, s in zip(size, stride):
        index = index[..., None] + np.arange(n, dtype=np.int64) * s
    return index.reshape(size)


def _to_grid(storage: jax.Array, plan: _Plan) -> jax.Array:
    flat = storage.reshape(-1)
    missing = math.prod(plan.grid) - flat.size
    if missing:
        flat = jnp.concatenate([flat, jnp.zeros(missing, flat.dtype)])
    return flat.reshape(plan.grid)


def _window(plan: _Plan) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(plan.starts, plan.lengths))


@partial(jax.jit, static_argnums=1)
def read(storage: jax.Array, layout: Layout) -> jax.Array:
    """The values of `layout` over `storage`."""
    size = layout[0]
    plan = _plan(storage.size, layout)
    if plan is None:
        return storage.reshape(-1)[_indices(layout)] if 0 not in size else jnp.zeros(size, storage.dtype)
    part = _to_grid(storage, plan)[_window(plan)]
    order = sorted(range(len(plan.axes)), key=lambda i: plan.axes[i])
    part = part.reshape(part.shape[:-1]).transpose(order)
    slim = [size[d] if d in plan.axes else 1 for d in range(len(size))]
    return jnp.broadcast_to(part.reshape(slim), size)


@partial(jax.jit, static_argnums=2)
def write(storage: jax.Array, value: jax.Array, layout: Layout) -> jax.Array:
    """`storage` with `value` written to the elements that `layout` names."""
    if 0 in layout[0]:
        return storage
    plan = _plan(storage.size, layout)
    if plan is None:
        flat = storage.reshape(-1).at[_indices(layout).reshape(-1)].set(value.reshape(-1))
        return flat.reshape(storage.shape)
    size, stride, _ = layout
    value = value[tuple(0 if s == 0 else slice(None) for s in stride)]
    value = value.reshape([size[d] for d in sorted(plan.axes)])
    order = sorted(plan.axes)
    value = value.transpose([order.index(d) for d in plan.axes])[..., None]
    grid = _to_grid(storage, plan).at[_window(plan)].set(value)
    return grid.reshape(-1)[: storage.size].reshape(storage.shape)


def overlaps_itself(layout: Layout) -> bool:
    """Whether two elements share memory through a zero stride (an expanded tensor)."""
    return any(s == 0 and n > 1 for n, s in zip(layout[0], layout[1]))
