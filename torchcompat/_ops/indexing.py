"""Advanced indexing: what `x[i, j]` reads and writes where `i` and `j` are tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax import numpy as jnp

from torchcompat import _strided
from torchcompat._layout import Layout, contiguous
from torchcompat._ops import slicing
from torchcompat._ops._checks import outside
from torchcompat._ops._errors import scalar
from torchcompat._ops._registry import Array, op
from torchcompat._ops.gathering import MODE, combine

_INDEX_TYPES = ("int32", "int64")


def _spots(indices: Sequence[Array | None]) -> tuple:
    return tuple(slice(None) if i is None else i for i in indices)


def _check_index(input: Array, indices: Sequence[Array | None], *rest: object) -> None:
    if 0 in _result_size(tuple(input.shape), indices):
        return
    position = 0
    for dim, index in enumerate(indices):
        if index is None:
            continue
        size = input.shape[dim]
        wrong = outside(index, size, negative=True)
        if wrong is not None:
            raise IndexError(
                f"index {wrong} is out of bounds for dimension {position} with size {size}"
            )
        position += 1


def _check_shapes(input: Array, indices: Sequence[Array | None]) -> None:
    if len(indices) > input.ndim:
        raise IndexError(
            f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})"
        )
    held = [i for i in indices if i is not None]
    for i in held:
        if i.dtype.name not in _INDEX_TYPES:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    try:
        np.broadcast_shapes(*(i.shape for i in held))
    except ValueError:
        shapes = ", ".join(str(list(i.shape)) for i in held)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    empty = any(i is not None and n == 0 for n, i in zip(input.shape, indices))
    if empty and 0 not in _result_size(input.shape, indices):
        raise IndexError("index is out of bounds for dimension with size 0")


def _result_size(size: tuple[int, ...], indices: Sequence[Array | None]) -> tuple[int, ...]:
    """The size of what index tensors pick from a tensor of `size`."""
    places = [d for d, i in enumerate(indices) if i is not None]
    picked = np.broadcast_shapes(*(indices[d].shape for d in places))
    rest = [n for d, n in enumerate(size) if d not in places]
    adjacent = not places or places == list(range(places[0], places[-1] + 1))
    at = places[0] if places and adjacent else 0
    return (*rest[:at], *picked, *rest[at:])


@op(verify=_check_index)
def index(input: Array, indices: Sequence[Array | None]) -> Array:
    """The elements that integer tensors name; None takes all of a dimension.

    Indices next to each other put their dimensions in their place; others put them first.
    """
    _check_shapes(input, indices)
    return input.at[_spots(indices)].get(mode=MODE)


@op(name="index_put_at", verify=_check_index, grad="IndexPutBackward0")
def index_put(
    input: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False
) -> Array:
    """`input` with `values` (broadcast) in the elements that integer tensors name.

    Args:
        accumulate: add to them instead.
    """
    _check_shapes(input, indices)
    want = _result_size(input.shape, indices)
    check_fits(values.shape, want)
    if values.dtype != input.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, "
            f"got {scalar(input)} for the destination and {scalar(values)} for the source."
        )
    spare = values.ndim - len(want)
    values = values.reshape(values.shape[max(spare, 0) :])
    added = "amax" if input.dtype == np.bool_ else "sum"
    return combine(input, _spots(indices), values, added if accumulate else "set")


def check_fits(values: tuple[int, ...], want: tuple[int, ...]) -> None:
    """Raises torch's error unless values broadcast to the shape of an indexing result."""
    lead = len(values) - len(want)
    if lead > 0 and any(n != 1 for n in values[:lead]):
        fits = False
    else:
        pairs = zip(reversed(values), reversed(want))
        fits = all(n in (1, m) for n, m in pairs)
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values)} cannot be broadcast to indexing "
            f"result of shape {list(want)}"
        )


@op(grad="IndexPutBackward0")
def masked_put(input: Array, mask: Array, values: Array, dim: int) -> Array:
    """`x[..., mask] = values`, the mask covering dimensions from `dim` on, without counting it.

    The values must be the same for each element that the mask picks.
    """
    values = jnp.asarray(values)
    rank = input.ndim - mask.ndim + 1
    lead = values.ndim - rank
    values = values.reshape(values.shape[lead:]) if lead > 0 else values
    values = values.reshape((1,) * (rank - values.ndim) + values.shape)
    size = (*values.shape[:dim], *(1,) * mask.ndim, *values.shape[dim + 1 :])
    where = mask.reshape(mask.shape + (1,) * (input.ndim - dim - mask.ndim))
    return jnp.where(where, values.reshape(size).astype(input.dtype), input)


# -- views written out of place -------------------------------------------------------------------


def _embedded(input: Array, src: Array, layout: Layout) -> Array:
    if src.shape != layout[0]:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. "
            f"src size = {list(src.shape)}, slice size = {list(layout[0])}"
        )
    return _strided.write(input, src, layout)


@op("torch", "method")
def select_scatter(input: Array, src: Array, dim: int, index: int) -> Array:
    """`input` with `src` in place of the slice `select(dim, index)`."""
    return _embedded(input, src, slicing.selected(contiguous(input.shape), dim, index))


@op("torch", "method")
def slice_scatter(
    input: Array,
    src: Array,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Array:
    """`input` with `src` in place of `input[start:end:step]` along a dimension."""
    return _embedded(input, src, slicing.sliced(contiguous(input.shape), dim, start, end, step))


@op("torch", "method")
def diagonal_scatter(
    input: Array, src: Array, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Array:
    """`input` with `src` in place of a diagonal."""
    return _embedded(input, src, slicing.diagonal(contiguous(input.shape), offset, dim1, dim2))


@op("torch", "method")
def as_strided_scatter(
    input: Array, src: Array, size: tuple, stride: tuple, storage_offset: int | None = None
) -> Array:
    """`input` with `src` in place of the view `as_strided(size, stride, storage_offset)`."""
    layout = slicing.as_strided(contiguous(input.shape), size, stride, storage_offset)
    slicing.check_storage(layout, input.size, input.dtype.itemsize)
    return _embedded(input, src, layout)
