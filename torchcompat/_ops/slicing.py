"""Views of some elements: slices, splits, diagonals, windows. Each op is its layout rule."""

from __future__ import annotations

from typing import Any

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _layout
from torchcompat._layout import Layout
from torchcompat._ops._common import wrap_dim
from torchcompat._ops._registry import Array, op, view


def _traced(*bounds: Any) -> bool:
    return any(isinstance(one, jax.core.Tracer) for one in bounds)


def _window(input: Array, dim: int, start: Any, length: int, step: int = 1) -> Array:
    """`length` elements along `dim`, every `step`-th from `start`, which may be traced."""
    span = max((length - 1) * step + 1, 0)
    start = jnp.where(start < 0, start + input.shape[dim], start)
    part = lax.dynamic_slice_in_dim(input, start, span, dim)
    return part if step == 1 else lax.slice_in_dim(part, 0, span, step, dim)


def selected(input: Layout, dim: int, index: int) -> Layout | None:
    size = input[0]
    if not size:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(size))
    if _traced(index):
        return None
    if not -size[dim] <= index < size[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(size)} at dimension "
            f"{dim}"
        )
    return _layout.selected(input, dim, index % size[dim])


@op("torch", "method", view=selected)
def select(input: Array, dim: int, index: Array) -> Array:
    """The slice at `index` of dimension `dim`, without that dimension."""
    dim = wrap_dim(dim, input.ndim)
    return jnp.squeeze(_window(input, dim, index, 1), dim)


def slice_bounds(start: int | None, end: int | None, size: int) -> tuple[int, int]:
    """Python's meaning of `start:end` in a dimension of `size`, with `start <= end`."""
    start, end, _ = slice(start, end).indices(size)
    return start, max(start, end)


def sliced(input: Layout, dim: int, start: Any, end: Any, step: int) -> Layout:
    size = input[0]
    if not size:
        raise RuntimeError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    dim = wrap_dim(dim, len(size))
    start, end = slice_bounds(start, end, size[dim])
    return _layout.sliced(input, dim, start, -(-(end - start) // step), step)


@view(grad="SliceBackward0")
def slice_dim(input: Layout, dim: int, start: int | None, end: int | None, step: int) -> Layout:
    """`input[start:end:step]` along one dimension."""
    return sliced(input, dim, start, end, step)


def narrowed(input: Layout, dim: int, start: int, length: int) -> Layout | None:
    size = input[0]
    if not size:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    dim = wrap_dim(dim, len(size))
    if _traced(start):
        return None
    if not isinstance(start, int) or isinstance(start, bool):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    room = size[dim]
    if not -room <= start <= room:
        raise IndexError(
            f"start out of range (expected to be in range of [{-room}, {room}], but got {start})"
        )
    start += room if start < 0 else 0
    if start + length > room:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({room}).")
    return _layout.sliced(input, dim, start, length)


@op("torch", "method", view=narrowed, grad="SliceBackward0")
def narrow(input: Array, dim: int, start: Array, length: int) -> Array:
    """`length` elements along `dim` from `start` on."""
    return _window(input, wrap_dim(dim, input.ndim), start, length)


@view("method", grad="UnbindBackward0")
def unbind(input: Layout, dim: int = 0) -> list[Layout]:
    """All slices along a dimension, without that dimension."""
    size = input[0]
    if not size:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, len(size))
    return [_layout.selected(input, dim, i) for i in range(size[dim])]


@view(grad="SplitWithSizesBackward0")
def split_with_sizes(input: Layout, split_sizes: tuple[int, ...], dim: int = 0) -> list[Layout]:
    """Consecutive pieces of the given sizes along a dimension."""
    size = input[0]
    if not size:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, len(size))
    shown = f"got split_sizes={list(split_sizes)}"
    if any(n < 0 for n in split_sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but {shown}"
        )
    if sum(split_sizes) != size[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size[dim]} "
            f"(input tensor's size at dimension {dim}), but {shown}"
        )
    pieces, start = [], 0
    for n in split_sizes:
        pieces.append(_layout.sliced(input, dim, start, n))
        start += n
    return pieces


@view(grad="SplitBackward0")
def split_every(input: Layout, split_size: int, dim: int = 0) -> list[Layout]:
    """Consecutive pieces of `split_size` along a dimension; the last may be smaller."""
    size = input[0]
    if not size:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if split_size < 0:
        raise RuntimeError(
            f"split expects split_size be non-negative, but got split_size={split_size}"
        )
    room = size[wrap_dim(dim, len(size))]
    if split_size == 0 and room:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {room}"
        )
    if room == 0:
        return [input]
    whole, rest = divmod(room, split_size)
    return split_with_sizes(input, (split_size,) * whole + ((rest,) if rest else ()), dim)


@view("torch", "method", grad="SplitBackward0")
def chunk(input: Layout, chunks: int, dim: int = 0) -> list[Layout]:
    """At most `chunks` pieces of one size along a dimension; the last may be smaller."""
    if not input[0]:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    room = input[0][wrap_dim(dim, len(input[0]))]
    if room == 0:
        return split_with_sizes(input, (0,) * chunks, dim)
    return split_every(input, -(-room // chunks), dim)


@view("torch", "method", grad="DiagonalBackward0")
def diagonal(input: Layout, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Layout:
    """The diagonal of two dimensions, as the last dimension of the result."""
    ndim = len(input[0])
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _layout.diagonal(input, offset, first, second)


@view("method", grad="UnfoldBackward0")
def unfold(input: Layout, dimension: int, size: int, step: int) -> Layout:
    """Windows of `size` elements along a dimension, `step` apart, in a new last dimension."""
    room = input[0]
    dimension = wrap_dim(dimension, len(room))
    have = room[dimension] if room else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > have:
        raise RuntimeError(
            f"maximum size for tensor at dimension {dimension} is {have} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return _layout.unfolded(input, dimension, size, step)


def check_strided(size: tuple, stride: tuple, offset: int) -> None:
    """Raises torch's errors for a layout that cannot be."""
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, "
            f"got strides: {list(stride)}"
        )
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")


def extent(size: tuple, stride: tuple, offset: int) -> int:
    """How many elements a storage needs to hold a layout."""
    if 0 in size:
        return 0
    return offset + sum((n - 1) * s for n, s in zip(size, stride)) + 1


def check_storage(layout: Layout, held: int, width: int) -> None:
    """Raises torch's errors for a layout that does not fit a storage of `held` elements."""
    size, stride, offset = layout
    check_strided(size, stride, offset)
    needed = extent(size, stride, offset)
    if needed > held:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and "
            f"itemsize {width} requiring a storage size of {needed * width} are out of bounds for "
            f"storage of size {held * width}"
        )


@view(grad="AsStridedBackward0")
def as_strided(
    input: Layout, size: tuple, stride: tuple, storage_offset: int | None = None
) -> Layout:
    """A view of any size, stride and offset over the tensor's storage."""
    return size, stride, input[2] if storage_offset is None else storage_offset
