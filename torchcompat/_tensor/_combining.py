"""Functions of several tensors, and those that build index grids, triangles and diagonals."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._ops._common import wrap_dim
from torchcompat._ops._pointwise import check_broadcast
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted, method
from torchcompat._tensor._place import put, resolve
from torchcompat._tensor._spellings import spelled
from torchcompat._tensor._tensor import Size, Tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "combinations",
    "diag",
    "meshgrid",
    "repeat_interleave",
    "tril_indices",
    "triu_indices",
]


def _each(function: Any) -> Any:
    """A function of one tensor, or of several given spread out or as one sequence."""

    @lifted
    def several(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return function(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            tensors = tuple(tensors[0])
        return tuple(map(function, tensors))

    several.__name__, several.__doc__ = function.__name__, function.__doc__
    return several


@_each
def atleast_1d(tensor: Tensor) -> Tensor:
    """Each tensor with at least one dimension."""
    return tensor if tensor.ndim else tensor.reshape(1)


@_each
def atleast_2d(tensor: Tensor) -> Tensor:
    """Each tensor with at least two dimensions; new ones come first."""
    if not tensor.ndim:
        return tensor.reshape(1, 1)
    return tensor if tensor.ndim > 1 else ops.unsqueeze(tensor, 0)


@_each
def atleast_3d(tensor: Tensor) -> Tensor:
    """Each tensor with at least three dimensions; a vector's comes second, a matrix's first."""
    if not tensor.ndim:
        return tensor.reshape(1, 1, 1)
    if tensor.ndim == 1:
        tensor = ops.unsqueeze(tensor, 0)
    return tensor if tensor.ndim > 2 else ops.unsqueeze(tensor, -1)


def broadcast_shapes(*shapes: Any) -> Size:
    """The size that tensors of these sizes broadcast to.

    Raises:
        RuntimeError: they do not broadcast.
    """
    full = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    result = [1] * max(map(len, full), default=0)
    for i, one in enumerate(full):
        for d in range(-1, -len(one) - 1, -1):
            if result[d] == 1:
                result[d] = one[d]
            elif one[d] not in (1, result[d]):
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {one[d]} at {d}! Mismatching "
                    f"argument at index {i} had {one}; but expected shape should be broadcastable "
                    f"to {result}"
                )
    return Size(result)


@lifted
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to the size they broadcast to."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    check_broadcast(*tensors)
    size = tuple(broadcast_shapes(*(x.shape for x in tensors)))
    return tuple(x if tuple(x.shape) == size else x.expand(size) for x in tensors)


@lifted
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids from coordinate vectors.

    Args:
        indexing: "ij" (the default): dimension i follows vector i; "xy": the first two exchanged.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for x in tensors:
        if x.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {x}"
            )
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    size = tuple(x.numel() for x in tensors)
    grids = []
    for d, x in enumerate(tensors):
        column = ops.view(x, tuple(-1 if i == d else 1 for i in range(len(size))))
        grids.append(ops.expand(column, size))
    return (grids[1], grids[0], *grids[2:]) if swap else tuple(grids)


@lifted
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element from each vector, one a row."""
    for x in tensors:
        _check_vector(x)
    if len(tensors) == 1:
        return tensors[0]
    return ops.stack([grid.flatten() for grid in meshgrid(*tensors, indexing="ij")], 1)


@lifted
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of `r` elements of a vector, one a row."""
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    _check_vector(input)
    if r == 0:
        return ops.clone(input[:0])
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input.numel()), r)), np.int64)
    return input[rows.reshape(-1, r)]


def _check_vector(input: Tensor) -> None:
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")


@lifted
def block_diag(*tensors: Tensor) -> Tensor:
    """The tensors along the diagonal of one matrix, zeros elsewhere."""
    if not tensors:
        return put(np.zeros((1, 0), _dtype.get_default_dtype().numpy))
    return ops.block_diag_op(tensors)


@method
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with this diagonal; of a matrix, a copy of its diagonal."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return (
        ops.diag_embed(input, diagonal) if input.ndim == 1 else ops.diagonal_copy(input, diagonal)
    )


@method
@spelled
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (or slice along `dim`) repeated; given `repeats` alone, the indices that do so.

    Args:
        repeats: how often, one number or one for each slice.
        output_size: the size of the result along `dim`, if known; under tracing it must be.
    """
    if repeats is None:
        return repeat_interleave(_positions(input), input, 0, output_size=output_size)
    if dim is None:
        input, dim = input.flatten(), 0
    room = input.shape[wrap_dim(dim, input.ndim)]
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        return _each_repeated(input, repeats, wrap_dim(dim, input.ndim))
    if isinstance(repeats, Tensor):
        repeats = _checked_repeats(repeats, room)
    total = int(np.sum(repeats)) if output_size is None else output_size
    if not isinstance(repeats, jax.core.Tracer) and total != int(np.sum(repeats)):
        raise RuntimeError("allocated size does not match required size")
    return ops.repeat_interleave_op(input, repeats, dim, total)


def _each_repeated(input: Tensor, times: int, dim: int) -> Tensor:
    size = list(input.shape)
    wide = ops.unsqueeze(input, dim + 1).expand(*size[: dim + 1], times, *size[dim + 1 :])
    size[dim] *= times
    return ops.view(ops.clone(wide), tuple(size))


def _positions(repeats: Tensor) -> Tensor:
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    return put(np.arange(repeats.shape[0], dtype=repeats.dtype.numpy))


def _checked_repeats(repeats: Tensor, room: int) -> Any:
    """The repeats as an array, on the host unless JAX is tracing."""
    if repeats.dtype.name not in ("int32", "int64"):
        name = _dtype.scalar_name(repeats.dtype)
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{name}'")
    if repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    counts = repeats._read()
    if repeats.numel() == 1:
        counts = jax.numpy.broadcast_to(counts.reshape(()), (room,))
    elif repeats.shape[0] != room:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats.shape[0]} and input.size(0) = {room}"
        )
    if isinstance(counts, jax.core.Tracer):
        return counts
    counts = np.asarray(counts)
    if counts.size and counts.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return counts


def _triangle(name: str, row: int, col: int, keep: Any, dtype: Any, device: Any) -> Tensor:
    for title, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{title} must be non-negative, got{n}")
    if dtype.name not in ("int32", "int64", "int16", "int8", "uint8"):
        raise NotImplementedError(f"\"{name}\" not implemented for '{_dtype.scalar_name(dtype)}'")
    i, j = np.indices((row, col))
    found = np.stack(np.nonzero(keep(i, j))).astype(dtype.numpy)
    return put(found, resolve(device))


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Row and column of each element of a matrix's lower triangle, up to diagonal `offset`."""
    keep = lambda i, j: j - i <= offset  # noqa: E731
    return _triangle("tril_indices", row, col, keep, dtype or _dtype.int64, device)


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Row and column of each element of a matrix's upper triangle, from diagonal `offset` on."""
    keep = lambda i, j: j - i >= offset  # noqa: E731
    return _triangle("triu_indices", row, col, keep, dtype or _dtype.int64, device)
