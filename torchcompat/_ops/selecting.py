"""Reading and writing whole slices along one dimension, by a vector of indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import numpy as jnp

from torchcompat._dtype import int64
from torchcompat._ops._checks import check_bounds, outside
from torchcompat._ops._common import cast, dtype_of, wrap_dim
from torchcompat._ops._errors import scalar, sizes
from torchcompat._ops._registry import Array, op
from torchcompat._ops.convert import _to_copy
from torchcompat._ops.gathering import MODE, combine, reduced
from torchcompat._ops.writing import check_number


def _size(input: Array, dim: int) -> int:
    return input.shape[wrap_dim(dim, input.ndim)] if input.ndim else 1


def _at(input: Array, dim: int, index: Array) -> tuple:
    """The coordinates of the slices along `dim`."""
    return (*(slice(None),) * wrap_dim(dim, input.ndim), index.reshape(-1))


# -- index_select ---------------------------------------------------------------------------------


def _check_select(input: Array, dim: int, index: Array) -> None:
    if index.ndim < 2 and outside(index, _size(input, dim)) is not None:
        raise IndexError("index out of range in self")


@op("torch", "method", verify=_check_select)
def index_select(input: Array, dim: int, index: Array) -> Array:
    """The slices along `dim` that a vector of indices names."""
    dim = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype.name not in ("int32", "int64"):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if not input.ndim:
        return input
    return input.at[_at(input, dim, index)].get(mode=MODE)


# -- index_add, index_reduce ----------------------------------------------------------------------


def _check_bounds(input: Array, dim: int, index: Array, *rest: Any) -> None:
    check_bounds(index, _size(input, dim), 0, RuntimeError)


def _check_added(name: str, input: Array, dim: int, index: Array, source: Array) -> int:
    dim = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(
            f"{name}: Index is supposed to be a vector, but got dim: {index.ndim} with type: "
            f"{scalar(index)} and size: {sizes(index)}"
        )
    if index.dtype.name not in ("int32", "int64"):
        raise RuntimeError(f"{name}: Expected dtype int32/int64 for index but got: {scalar(index)}")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"{name}: self ({scalar(input)}) and source ({scalar(source)}) must have the same "
            "scalar type"
        )
    found = source.shape[dim] if source.ndim else 1
    if index.size != found:
        raise RuntimeError(
            f"{name}: Number of indices ({index.size}) should be equal to source.size(dim): "
            f"({found}), for dim: {dim}"
        )
    rest = [one.shape[:dim] + one.shape[dim + 1 :] for one in (input, source)]
    if rest[0] != rest[1] or input.ndim != source.ndim:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {sizes(input)} source.shape = {sizes(source)}"
        )
    return dim


def _vectors(input: Array, source: Array) -> tuple[Array, Array]:
    return (input, source) if input.ndim else (input.reshape(1), source.reshape(1))


@op("torch", "method", "inplace", verify=_check_bounds)
def index_add(input: Array, dim: int, index: Array, source: Array, *, alpha: Array = 1) -> Array:
    """`input` with `alpha` times the slices of `source` added to those that the indices name."""
    _check_added("index_add_()", input, dim, index, source)
    target, source = _vectors(input, source)
    source = source * jnp.asarray(alpha).astype(source.dtype)
    return combine(target, _at(target, dim, index), source, "sum").reshape(input.shape)


@op("torch", "method", "inplace", verify=_check_bounds)
def index_reduce(
    input: Array,
    dim: int,
    index: Array,
    source: Array,
    reduce: str,
    *,
    include_self: bool = True,
) -> Array:
    """`input` with the slices of `source` combined into those that the indices name.

    Args:
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the slices of `input` that are written to take part.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    _check_added("index_reduce()", input, dim, index, source)
    target, source = _vectors(input, source)
    spots = _at(target, dim, index)
    return reduced(target, spots, source, reduce, include_self).reshape(input.shape)


# -- index_copy, index_fill -----------------------------------------------------------------------


def _check_copy(input: Array, dim: int, index: Array, source: Array) -> None:
    size = _size(input, dim)
    check_bounds(index, size, 0, IndexError, "index_copy_(): ")


@op("torch", "method", "inplace", verify=_check_copy)
def index_copy(input: Array, dim: int, index: Array, source: Array) -> Array:
    """`input` with the slices of `source` in place of those that the indices name."""
    dim = wrap_dim(dim, input.ndim)
    _check_copied(input, dim, index, source)
    target, source = _vectors(input, source)
    spots = _at(target, dim, index)
    source = source.reshape(target.at[spots].get(mode=MODE).shape)
    return target.at[spots].set(source, mode=MODE).reshape(input.shape)


def _check_copied(input: Array, dim: int, index: Array, source: Array) -> None:
    name = "index_copy_()"
    if index.ndim > 1:
        raise IndexError(f"{name}: Index should have dimension 1 or 0 (got {index.ndim})")
    if not source.ndim and index.size != 1:
        raise IndexError(
            f"{name}: When source is scalar, index should have one element (got {index.size})"
        )
    if source.ndim and input.ndim and source.ndim != input.ndim:
        raise IndexError(
            f"{name}: When source and destination are not scalars, their dimensionality must "
            f"match. "
            f"Source dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
        )
    if index.dtype.name != "int64":
        raise RuntimeError(f"{name}: Expected a long tensor for index, but got {scalar(index)}")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"{name}: self and source expected to have the same dtype, but got (self) "
            f"{scalar(input)} and (source) {scalar(source)}"
        )
    have, want = (
        list(one.shape[:dim] + one.shape[dim + 1 :]) if one.ndim else [] for one in (source, input)
    )
    if source.ndim and have != want:
        raise RuntimeError(
            f"{name}: Source/destination tensor must have same slice shapes. Destination slice "
            f"shape: {' '.join(map(str, want))} at dimension {dim} and source slice shape: "
            f"{' '.join(map(str, have))} at dimension {dim}."
        )
    if source.ndim and index.size != source.shape[dim]:
        raise IndexError(
            f"{name}: Number of indices ({index.size}) should be equal to source.size(dim) "
            f"({source.shape[dim]})"
        )


def _check_fill(input: Array, dim: int, index: Array, value: Any) -> None:
    if isinstance(value, complex) and not dtype_of(input).is_complex:
        raise RuntimeError(
            "index_fill_(): Converting complex Scalar to non-complex type is not supported"
        )
    check_number(value, dtype_of(input))
    check_bounds(index, _size(input, dim), 0, IndexError, negative=True)


@op("torch", "method", "inplace", verify=_check_fill)
def index_fill(input: Array, dim: int, index: Array, value: Array) -> Array:
    """`input` with one value in the slices along `dim` that the indices name."""
    dim = wrap_dim(dim, input.ndim)
    value = jnp.asarray(value)
    if index.dtype.name != "int64":
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if value.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    target = input if input.ndim else input.reshape(1)
    filled = target.at[_at(target, dim, index)].set(_to_copy(value, dtype_of(input)), mode=MODE)
    return filled.reshape(input.shape)


# -- take and put: indices into the flattened tensor ----------------------------------------------


def _check_flat(input: Array, index: Array, *rest: Any) -> None:
    wrong = outside(index, input.size, negative=True)
    if wrong is not None:
        raise IndexError(
            f"out of range: tried to access index {wrong} on a tensor of {input.size} elements."
        )


def _require_long(name: str, index: Array) -> None:
    if index.dtype.name != "int64":
        raise RuntimeError(f"{name}: Expected a long tensor for index, but got {scalar(index)}")


@op("torch", "method", verify=_check_flat)
def take(input: Array, index: Array) -> Array:
    """The elements of the flattened tensor that the indices name."""
    _require_long("take()", index)
    if not index.size:
        return jnp.zeros(index.shape, input.dtype)
    if not input.size:
        raise IndexError("take(): tried to take from an empty tensor")
    return input.reshape(-1).at[index].get(mode=MODE)


@op("torch", "method", "inplace", verify=_check_flat)
def put(input: Array, index: Array, source: Array, accumulate: bool = False) -> Array:
    """`input` with `source` at the places of the flattened tensor that the indices name.

    Args:
        accumulate: add to what is there instead.
    """
    _require_long("put_()", index)
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{scalar(input)} and source.dtype = {scalar(source)}"
        )
    if source.size != index.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.size}, index.numel() = {index.size}"
        )
    spots, values = index.reshape(-1), source.reshape(-1)
    how = "sum" if accumulate else "set"
    return combine(input.reshape(-1), spots, values, how).reshape(input.shape)


@op(grad="GatherBackward0")
def take_along(input: Array, indices: Array, dim: int | None) -> Array:
    """`take_along_dim`: for each index, the element along `dim`, everything else broadcast."""
    if indices.dtype.name != "int64":
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {scalar(indices)}"
        )
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = wrap_dim(dim, input.ndim)
    return jnp.take_along_axis(input, indices % input.shape[dim], axis=dim, mode="clip")


def _check_sizes(indices: Array, shape: object) -> None:
    if not isinstance(shape, (int, tuple, list)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    wrong = [n for n in (shape if isinstance(shape, (tuple, list)) else ()) if type(n) is not int]
    if wrong:
        raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(wrong[0])}")


@op("torch", check=_check_sizes, differentiable=False)
def unravel_index(indices: Array, shape: tuple[int, ...]) -> tuple[Array, ...]:
    """The coordinates that flat indices have in a tensor of size `shape`, a tensor a dimension."""
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"expected 'indices' to be integer dtype, but got torch.{dtype_of(indices).name}"
        )
    shape = (shape,) if isinstance(shape, int) else shape
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    if 0 in shape:
        raise RuntimeError("ZeroDivisionError")
    found, rest = [], cast(indices, int64)
    for n in reversed(shape):
        found.append(rest % n)
        rest = rest // n
    return tuple(reversed(found))


@op("torch", "method", differentiable=False)
def nonzero_static(input: Array, *, size: int, fill_value: int = -1) -> Array:
    """The coordinates of the first `size` elements that are not zero, one a row.

    The result's size is given, so this works under tracing too.

    Args:
        fill_value: fills the rows that are left over.
    """
    if not input.ndim:
        return jnp.zeros((size, 0), np.int64)
    if not input.size:
        return jnp.full((size, input.ndim), fill_value, np.int64)
    places = jnp.nonzero(input, size=size, fill_value=fill_value)
    return jnp.stack([cast(axis, int64) for axis in places], -1)
