"""Reading and writing along one dimension, with an index for each element: gather and scatter."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat._ops._checks import check_bounds
from torchcompat._ops._common import dtype_of, wide, wrap_dim
from torchcompat._ops._registry import Array, op
from torchcompat._ops.writing import check_number

MODE = "promise_in_bounds"


def _require_index(name: str, index: Array) -> None:
    if index.dtype.name not in ("int32", "int64"):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")


def _check_index(input: Array, dim: int, index: Array, *rest: Any) -> None:
    ndim = max(input.ndim, 1)
    size = input.shape[dim] if input.ndim else 1
    check_bounds(index, size, dim % ndim, RuntimeError)


def _at_least_vectors(*operands: Array) -> list[Array]:
    return [x if x.ndim else x.reshape(1) for x in operands]


def _grid(index: Array, dim: int) -> tuple:
    """Coordinates of every element of `index`, the index itself in place of dimension `dim`."""
    spots = []
    for d, n in enumerate(index.shape):
        shape = [1] * index.ndim
        shape[d] = n
        spots.append(index if d == dim else jnp.arange(n).reshape(shape))
    return tuple(spots)


def _outgrows(index: Array, other: Array, dim: int | None) -> bool:
    pairs = enumerate(zip(index.shape, other.shape))
    return any(n > m for d, (n, m) in pairs if d != dim)


@op("torch", "method", verify=_check_index)
def gather(input: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    """For each element of `index`, the element of `input` that it names along `dim`.

    Shape:
        index: no larger than input except along `dim`; output: that of index.
    """
    dim = wrap_dim(dim, input.ndim)
    if not index.size:
        return jnp.zeros(index.shape, input.dtype)
    _require_index("gather", index)
    source, spots = _at_least_vectors(input, index)
    if spots.ndim != source.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for d, n in enumerate(spots.shape):
        if d != dim and n > source.shape[d]:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be no "
                f"larger than self {list(input.shape)} apart from dimension {dim}"
            )
    return source.at[_grid(spots, dim)].get(mode=MODE).reshape(index.shape)


# -- scatter --------------------------------------------------------------------------------------


def _check_scatter(
    input: Array, dim: int, index: Array, src: Any = None, value: Any = None, *rest: Any
) -> None:
    _check_index(input, dim, index)
    check_number(value if src is None else src, dtype_of(input))


def _prepared(input: Array, dim: int, index: Array, src: Any) -> tuple[Array, Any, tuple]:
    """Input and source as arrays of the index's rank, checked, and the coordinates to write at."""
    dim = wrap_dim(dim, input.ndim)
    if index.size:
        _require_index("scatter", index)
    src = jnp.asarray(src)
    number = src.weak_type or src.dtype == np.bool_ and not src.ndim
    if number:
        src = src.astype(input.dtype)
    if src.dtype != input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    input, index = _at_least_vectors(input, index)
    if not index.size:
        return input, None, ()
    if index.ndim != input.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    complaint = (
        f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} "
        f"apart from dimension {dim}"
    )
    if number:
        if _outgrows(index, input, dim):
            raise RuntimeError(complaint)
        return input, jnp.broadcast_to(src, index.shape), _grid(index, dim)
    wrap_dim(dim, src.ndim)
    src = _at_least_vectors(src)[0]
    if src.ndim != index.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if _outgrows(index, input, dim) or _outgrows(index, src, None):
        raise RuntimeError(f"{complaint} and to be no larger size than src {list(src.shape)}")
    return input, src[tuple(slice(n) for n in index.shape)], _grid(index, dim)


def _scattered(input: Array, dim: int, index: Array, src: Any, reduce: str) -> Array:
    target, src, spots = _prepared(input, dim, index, src)
    if src is None:
        return input
    return combine(target, spots, src, reduce).reshape(input.shape)


@op("torch", "method", "inplace", verify=_check_scatter)
def scatter(
    input: Array,
    dim: int,
    index: Array,
    src: Array | None = None,
    value: Array | None = None,
    *,
    reduce: str | None = None,
) -> Array:
    """`input` with the elements of `src` (or one value) at the places `index` names along `dim`.

    Args:
        reduce: "add" or "multiply" combines with what is there instead.
    """
    how = {None: "set", "add": "sum", "multiply": "prod"}.get(reduce)
    if how is None:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return _scattered(input, dim, index, value if src is None else src, how)


@op("torch", "method", "inplace", verify=_check_index)
def scatter_add(input: Array, dim: int, index: Array, src: Array) -> Array:
    """`input` with the elements of `src` added at the places `index` names along `dim`."""
    return _scattered(input, dim, index, src, "sum")


_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@op("torch", "method", "inplace", verify=_check_index)
def scatter_reduce(
    input: Array, dim: int, index: Array, src: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """`input` with the elements of `src` combined at the places `index` names along `dim`.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the elements of `input` that are written to take part.
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    target, src, spots = _prepared(input, dim, index, src)
    if src is None:
        return input
    return reduced(target, spots, src, reduce, include_self).reshape(input.shape)


# -- combining at given places --------------------------------------------------------------------


def combine(target: Array, spots: Any, values: Array, how: str) -> Array:
    """`target` with `values` set, or combined by "sum", "prod", "amax" or "amin", at `spots`."""
    if how == "set":
        return target.at[spots].set(values, mode=MODE)
    if how == "sum":
        exact = wide(target).at[spots].add(wide(values), mode=MODE)
        return exact.astype(target.dtype)
    if how == "prod":
        return _multiplied(target, values, _without_slices(target, spots))
    at = target.at[spots]
    return at.max(values, mode=MODE) if how == "amax" else at.min(values, mode=MODE)


def _without_slices(target: Array, spots: Any) -> tuple:
    """The same places as arrays, where a vector of indices stands behind slices of everything."""
    if not isinstance(spots[0], slice):
        return spots
    found = []
    for d, spot in enumerate(spots):
        spot = jnp.arange(target.shape[d]) if isinstance(spot, slice) else spot
        found.append(spot.reshape(-1, *(1,) * (len(spots) - d - 1)))
    return tuple(found)


def reduced(target: Array, spots: Any, values: Array, reduce: str, include_self: bool) -> Array:
    """`combine` with "mean" as well, and with or without the elements that `target` holds."""
    if not include_self:
        start = _neutral(target.dtype, reduce)
        target = target.at[spots].set(start, mode=MODE)
    if reduce != "mean":
        return combine(target, spots, values, reduce)
    total = combine(target, spots, values, "sum")
    count = jnp.full(target.shape, int(include_self), np.int64)
    count = jnp.maximum(count.at[spots].add(1, mode=MODE), 1)
    if jnp.issubdtype(target.dtype, np.integer):
        return jnp.floor_divide(total, count.astype(target.dtype))
    return (total / count.astype(total.dtype)).astype(target.dtype)


def _neutral(kind: np.dtype, reduce: str) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if jnp.issubdtype(kind, np.floating):
        return -np.inf if reduce == "amax" else np.inf
    if kind == np.bool_:
        return reduce == "amin"
    info = jnp.iinfo(kind)
    return info.min if reduce == "amax" else info.max


@jax.custom_jvp
def _multiplied(target: Array, values: Array, spots: Any) -> Array:
    return target.at[spots].multiply(values, mode=MODE)


@_multiplied.defjvp
def _multiplied_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Each factor's share is the product of the others; a single zero's share is not zero."""
    target, values, spots = primals
    zero = values == 0
    zeros = jnp.zeros(target.shape, np.int32).at[spots].add(zero, mode=MODE)[spots]
    rest = _multiplied(target, jnp.where(zero, 1, values), spots)[spots]
    others = jnp.where(zero, rest, rest / jnp.where(zero, 1, values))
    others = jnp.where(zeros > zero, 0, others).astype(values.dtype)
    factor = jnp.ones_like(target).at[spots].multiply(values, mode=MODE)
    change = (tangents[0] * factor).at[spots].add(tangents[1] * others, mode=MODE)
    return _multiplied(target, values, spots), change
