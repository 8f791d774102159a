"""Reads and writes the values of a layout over a storage.

A layout made by slicing, permuting and reshaping is turned into exactly those operations (`_Plan`),
so XLA sees slices and transposes; only layouts whose elements overlap go through explicit indices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._layout import Layout


class _Plan(NamedTuple):
    """How a layout lies in its storage: cut a range, fold it into a grid, take a window of that.

    Attributes:
        span: `(start, length)` of the range of the flat storage that is folded, None for all of it.
        grid: sizes after folding, the outermost first, and what the innermost step skips if not 1.
        steps: the step in elements of each dimension of the grid but that last one.
        starts: where the window starts in each dimension of the grid.
        lengths: the window's sizes.
        axes: for each step, the view's dimension that it is.
    """

    span: tuple[int, int] | None
    grid: tuple[int, ...]
    steps: tuple[int, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    axes: tuple[int, ...]


@lru_cache(8192)
def _plan(total: int, layout: Layout) -> _Plan | None:
    """The plan of a layout over `total` elements, or None where its elements overlap."""
    size, stride, offset = layout
    axes = sorted(
        (d for d in range(len(size)) if size[d] > 1 and stride[d] > 0), key=lambda d: -stride[d]
    )
    extent = sum((size[d] - 1) * stride[d] for d in axes)
    whole = _fold(total, offset, [(stride[d], size[d]) for d in axes], extent)
    if whole is not None:
        return _Plan(None, *whole, tuple(axes))  # type: ignore[call-arg]
    part = _fold(extent + 1, 0, [(stride[d], size[d]) for d in axes], extent)
    return None if part is None else _Plan((offset, extent + 1), *part, tuple(axes))  # type: ignore[call-arg]


def _fold(total: int, offset: int, levels: list[tuple[int, int]], extent: int) -> tuple | None:
    """Grid, steps, starts and lengths of a plan, or None where a row of the view would wrap."""
    grid, starts = [], []
    for step, length in levels:
        grid.append(-(-total // step))
        starts.append(offset // step)
        offset %= step
        extent -= (length - 1) * step
        if offset + extent >= step:
            return None
        total = step
    lengths = [length for _, length in levels]
    if not levels or total > 1:
        grid, starts, lengths = [*grid, total], [*starts, offset], [*lengths, 1]
    return tuple(grid), tuple(s for s, _ in levels), tuple(starts), tuple(lengths)


def _to_grid(storage: jax.Array, plan: _Plan) -> jax.Array:
    """`storage` (flat after a cut) folded; a dimension that a step does not divide is padded."""
    room = storage.size
    if all(_divides(step, n) for step, n in zip(plan.steps, (room, *plan.steps))):
        return storage.reshape(plan.grid)
    x = storage.reshape(-1)
    for n, step in zip(plan.grid, plan.steps):
        missing = n * step - x.shape[-1]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0)] * (x.ndim - 1) + [(0, missing, 0)])
        x = x.reshape(*x.shape[:-1], n, step)
    return x.reshape(plan.grid)


def _divides(step: int, n: int) -> bool:
    return n % step == 0


def _from_grid(grid: jax.Array, plan: _Plan, shape: tuple[int, ...]) -> jax.Array:
    """The inverse of `_to_grid`."""
    total = math.prod(shape)
    if grid.size == total:
        return grid.reshape(shape)
    grid = grid.reshape(*plan.grid[: len(plan.steps)], plan.steps[-1])
    for room in reversed((total, *plan.steps[:-1])):
        grid = grid.reshape(*grid.shape[:-2], -1)[..., :room]
    return grid.reshape(shape)


def _free(plan: _Plan) -> tuple[int, ...]:
    """The starts of a plan that are not zero by necessity: what `read` and `write` trace."""
    starts = () if plan.span is None else (plan.span[0],)
    return starts + tuple(a for a, n, room in zip(plan.starts, plan.lengths, plan.grid) if n < room)


def _moved(plan: _Plan, free: Sequence[Any]) -> _Plan:
    """`plan` with its free starts replaced by `free`; those that are bound to be zero are zero."""
    rest = iter(free)
    span = None if plan.span is None else (next(rest), plan.span[1])
    starts = tuple(next(rest) if n < room else 0 for n, room in zip(plan.lengths, plan.grid))
    return plan._replace(span=span, starts=starts)


def _cut(x: jax.Array, starts: Sequence[Any], lengths: Sequence[int]) -> jax.Array:
    """A window of `x`; a static slice where its starts are known."""
    if tuple(lengths) == x.shape:
        return x
    if all(isinstance(a, int) for a in starts):
        return lax.slice(x, starts, [a + n for a, n in zip(starts, lengths)])
    return lax.dynamic_slice(x, [jnp.asarray(a, np.int64) for a in starts], lengths)


def _paste(x: jax.Array, part: jax.Array, starts: Sequence[Any]) -> jax.Array:
    if part.shape == x.shape:
        return part
    return lax.dynamic_update_slice(x, part, [jnp.asarray(a, np.int64) for a in starts])


def _read(storage: jax.Array, plan: _Plan, size: tuple[int, ...]) -> jax.Array:
    if plan.span is not None:
        storage = _cut(storage.reshape(-1), plan.span[:1], plan.span[1:])
    part = _cut(_to_grid(storage, plan), plan.starts, plan.lengths)
    order = sorted(range(len(plan.axes)), key=lambda i: plan.axes[i])
    part = part.reshape(part.shape[: len(order)]).transpose(order)
    slim = tuple(size[d] if d in plan.axes else 1 for d in range(len(size)))
    return jnp.broadcast_to(part.reshape(slim), size)


def _write(storage: jax.Array, value: jax.Array, plan: _Plan, layout: Layout) -> jax.Array:
    if plan.span is not None:
        flat = storage.reshape(-1)
        part = _cut(flat, plan.span[:1], plan.span[1:])
        part = _write(part, value, plan._replace(span=None), layout)
        return _paste(flat, part, plan.span[:1]).reshape(storage.shape)
    size, stride, _ = layout
    value = value[tuple(0 if s == 0 else slice(None) for s in stride)]
    order = sorted(plan.axes)
    value = value.reshape([size[d] for d in order])
    value = value.transpose([order.index(d) for d in plan.axes]).reshape(plan.lengths)
    return _from_grid(_paste(_to_grid(storage, plan), value, plan.starts), plan, storage.shape)


def _indices(layout: Layout) -> jax.Array:
    """The position in the flat storage of each element; for layouts whose elements overlap."""
    size, stride, offset = layout
    index = jnp.full((), offset, np.int64)
    for n, s in zip(size, stride):
        index = index[..., None] + jnp.arange(n, dtype=np.int64) * s
    return index


@partial(jax.jit, static_argnums=(1, 2))
def _read_at(storage: jax.Array, plan: _Plan, size: tuple[int, ...], *free: Any) -> jax.Array:
    return _read(storage, _moved(plan, free), size)


@partial(jax.jit, static_argnums=1)
def _read_scattered(storage: jax.Array, layout: Layout) -> jax.Array:
    return storage.reshape(-1)[_indices(layout)]


@lru_cache(8192)
def _reader(total: int, layout: Layout) -> tuple[_Plan | None, _Plan | None, tuple[int, ...]]:
    """The plan of a layout; the same with its free starts at zero (one for all starts); these."""
    plan = _plan(total, layout)
    if plan is None:
        return None, None, ()
    free = _free(plan)
    return plan, _moved(plan, (0,) * len(free)), free


def read(storage: jax.Array, layout: Layout) -> jax.Array:
    """The values of `layout` over `storage`.

    Where the window starts is traced, so `x[i]` in a loop compiles once; inside a trace of JAX it
    is static, which XLA knows more about.
    """
    size = layout[0]
    if 0 in size:
        return jnp.zeros(size, storage.dtype)
    plan, form, free = _reader(storage.size, layout)
    if plan is None:
        return _read_scattered(storage, layout)
    if isinstance(storage, jax.core.Tracer):
        return _read(storage, plan, size)
    return _read_at(storage, form, size, *free)


@partial(jax.jit, static_argnums=(2, 3))
def _write_at(storage: Any, value: Any, form: _Plan, layout: Layout, *free: Any) -> jax.Array:
    return _write(storage, _fitted(value, storage, layout[0]), _moved(form, free), layout)


@partial(jax.jit, static_argnums=2)
def _write_scattered(storage: jax.Array, value: jax.Array, layout: Layout) -> jax.Array:
    value = _fitted(value, storage, layout[0])
    return storage.reshape(-1).at[_indices(layout)].set(value).reshape(storage.shape)


def _fitted(value: Any, storage: jax.Array, size: tuple[int, ...]) -> jax.Array:
    value = lax.convert_element_type(jnp.asarray(value), storage.dtype)
    return jnp.broadcast_to(value, size)


def write(storage: jax.Array, value: Any, layout: Layout) -> jax.Array:
    """`storage` with `value` (broadcast and converted) in the elements that `layout` names."""
    size, stride, _ = layout
    if 0 in size:
        return storage
    plan, form, free = _reader(storage.size, layout)
    if plan is None:
        return _write_scattered(storage, value, layout)
    if isinstance(storage, jax.core.Tracer):
        return _write(storage, _fitted(value, storage, size), plan, layout)
    return _write_at(storage, value, form, (size, stride, 0), *free)
