"""Order: sorting, the k largest, medians, quantiles and the most frequent."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import dtype_of, wide, wrap_dim
from torchcompat._ops._errors import not_implemented
from torchcompat._ops._pointwise import is_integral, reject
from torchcompat._ops._registry import Array, Number, op
from torchcompat._ops.reduction import place_of, require_elements, take


def ordered(input: Array, axis: int, descending: bool = False) -> tuple[jax.Array, jax.Array]:
    """The elements in order along `axis` (stably, NaN largest) and their places."""
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    place = lax.broadcasted_iota(np.int64, input.shape, axis)
    if not descending:
        return lax.sort((input, place), dimension=axis, is_stable=True, num_keys=1)
    turned = [jnp.flip(x, axis) for x in (input, place)]
    values, index = lax.sort(turned, dimension=axis, is_stable=True, num_keys=1)
    return jnp.flip(values, axis), jnp.flip(index, axis)


@op("torch", "method", returns="values indices")
def sort(
    input: Array, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> tuple[Array, Array]:
    """The elements in order along `dim`, and where they were. Always stable."""
    if dtype_of(input).is_complex:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    return ordered(input, wrap_dim(dim, input.ndim), descending)


@op("torch", "method", differentiable=False)
def argsort(
    input: Array, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Array:
    """The places of the elements in order along `dim`."""
    return sort(input, dim, descending)[1]


@op("torch", "method")
def msort(input: Array) -> Array:
    """The elements in order along the first dimension."""
    return sort(input, 0)[0]


@op("torch", "method", returns="values indices")
def topk(
    input: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Array, Array]:
    """The `k` largest (or smallest) elements along `dim` in order, and where they are."""
    axis = wrap_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if dtype_of(input).is_complex:
        raise not_implemented("topk_impl", input)
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    last = jnp.moveaxis(lax.stop_gradient(input), axis, -1)
    index = jnp.moveaxis(lax.top_k(_rank(last, largest), k)[1].astype(np.int64), -1, axis)
    return jnp.take_along_axis(input, index, axis=axis), index


def _rank(x: jax.Array, largest: bool) -> jax.Array:
    """Keys whose largest are the elements wanted first; NaN counts as the largest element."""
    if dtype_of(x) is _dtype.bool_:
        x = x.astype(np.uint8)
    if is_integral(x):
        return x if largest else ~x
    key = jnp.where(jnp.isnan(x), jnp.inf, x)
    bits = np.dtype(f"int{x.dtype.itemsize * 8}")
    pattern = lax.bitcast_convert_type(key + 0, bits)
    # The bits of floats order as integers do once the negative ones are mirrored.
    key = jnp.where(pattern < 0, np.iinfo(bits).min - pattern, pattern)
    key = jnp.where(jnp.isnan(x), np.iinfo(bits).max, key)
    return key if largest else ~key


def _kth(input: Array, k: jax.Array | int, axis: int, keepdim: bool) -> tuple[jax.Array, jax.Array]:
    """The element with `k` before it in order along `axis`, and where it is."""
    places = ordered(lax.stop_gradient(input), axis)[1]
    if isinstance(k, int):
        index = lax.slice_in_dim(places, k, k + 1, axis=axis)
    else:
        index = jnp.take_along_axis(places, k, axis=axis)
    return take(input, index, axis, keepdim), index if keepdim else jnp.squeeze(index, axis)


@op("torch", "method", returns="values indices")
def kthvalue(input: Array, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The `k`-th smallest element along `dim` (from 1), and where it is."""
    axis = wrap_dim(dim, input.ndim)
    require_elements("kthvalue", input, dim)
    if not 1 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    return _kth(input, k - 1, axis, keepdim)


def _median(input: Array, axis: int, keepdim: bool, skip_nan: bool) -> tuple[jax.Array, jax.Array]:
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    middle = (input.shape[axis] - 1) // 2
    if is_integral(input):
        return _kth(input, middle, axis, keepdim)
    nans = jnp.isnan(input)
    count = jnp.sum(nans, axis=axis, keepdims=True)
    if skip_nan:
        rank = jnp.maximum(input.shape[axis] - count - 1, 0) // 2
    else:
        # NaN sorts last: the first NaN stands right behind the numbers.
        rank = jnp.where(count > 0, input.shape[axis] - count, middle)
    return _kth(input, rank, axis, keepdim)


def _empty_median(input: Array) -> jax.Array:
    fill = jnp.nan if not is_integral(input) else np.iinfo(input.dtype).min
    return jnp.full((), fill, input.dtype)


@op(returns="values indices")
def median(input: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The lower median along `dim` and where it is; NaN where there is a NaN."""
    reject("median_out", input, bools=True, complexes=True)
    require_elements("median", input, dim)
    return _median(input, wrap_dim(dim, input.ndim), keepdim, False)


@op(returns="values indices")
def nanmedian(input: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The lower median along `dim` of what is not NaN, and where it is."""
    reject("median_out", input, bools=True, complexes=True)
    require_elements("nanmedian", input, dim)
    return _median(input, wrap_dim(dim, input.ndim), keepdim, True)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _shared(flat: Array, skip_nan: bool) -> jax.Array:
    """The median, whose gradient all elements that are equal to it share."""
    return _median(flat, 0, False, skip_nan)[0]


@_shared.defjvp
def _shared_jvp(skip_nan: bool, primals: tuple, tangents: tuple) -> tuple:
    (flat,), (step,) = primals, tangents
    value = _shared(flat, skip_nan)
    same = (flat == value) | (jnp.isnan(flat) & jnp.isnan(value))
    return value, jnp.sum(jnp.where(same, step, 0)) / jnp.sum(same).astype(step.dtype)


@op(grad="MedianBackward0")
def _median_all(input: Array) -> Array:
    """The lower median of all elements."""
    reject("median_cpu", input, bools=True, complexes=True)
    flat = input.reshape(-1)
    return _shared(flat, False) if flat.size else _empty_median(input)


@op(grad="NanmedianBackward0")
def _nanmedian_all(input: Array) -> Array:
    """The lower median of all elements that are not NaN."""
    reject("median_cpu", input, bools=True, complexes=True)
    flat = input.reshape(-1)
    return _shared(flat, True) if flat.size else _empty_median(input)


@op("torch", "method", returns="values indices")
def mode(input: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The most frequent element along `dim` (the smallest of those), and its last place."""
    require_elements("mode", input, dim)
    axis = wrap_dim(dim, input.ndim)
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    values, places = ordered(lax.stop_gradient(input), axis)
    number = lax.broadcasted_iota(np.int64, values.shape, axis)
    before = jnp.concatenate([lax.slice_in_dim(values, 0, 1, axis=axis), values], axis)
    fresh = (values != lax.slice_in_dim(before, 0, values.shape[axis], axis=axis)) | (number == 0)
    start = lax.cummax(jnp.where(fresh, number, 0), axis=axis)
    longest = place_of(jnp.max, number - start, axis)
    index = jnp.take_along_axis(places, longest, axis=axis)
    return take(input, index, axis, keepdim), index if keepdim else jnp.squeeze(index, axis)


def _check_quantile(name: str, input: Array, q: Number | Array, interpolation: str) -> None:
    if not input.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if dtype_of(input) not in (_dtype.float32, _dtype.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if isinstance(q, (int, float)):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
    elif q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    elif q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )


def _quantile(input, q, dim, keepdim, interpolation, skip_nan, name) -> jax.Array:
    _check_quantile(name, input, q, interpolation)
    axis = 0 if dim is None or not input.ndim else wrap_dim(dim, input.ndim)
    x = input.reshape(-1) if dim is None or not input.ndim else input
    values = jnp.moveaxis(ordered(x, axis)[0], axis, -1)
    share = jnp.asarray(q).astype(input.dtype)
    many = share.reshape((-1,) + (1,) * (values.ndim - 1))
    count = jnp.sum(~jnp.isnan(values), -1)
    last = jnp.maximum(count - 1, 0) if skip_nan else values.shape[-1] - 1
    found = _between(values, many * jnp.asarray(last).astype(input.dtype), interpolation)
    # Without numbers (or, unless they are skipped, with a NaN) there is no quantile.
    valid = count > 0 if skip_nan else count == values.shape[-1]
    found = jnp.where(valid, found, jnp.nan)
    if keepdim:
        found = found.reshape(found.shape[0], *_kept(input, dim))
    return found if share.ndim else found[0]


def _kept(input: Array, dim: int | None) -> tuple[int, ...]:
    if dim is None or not input.ndim:
        return (1,) * input.ndim
    axis = wrap_dim(dim, input.ndim)
    return (*input.shape[:axis], 1, *input.shape[axis + 1 :])


def _between(values: jax.Array, rank: jax.Array, interpolation: str) -> jax.Array:
    """The sorted last dimension read at fractional places, `rank` having the places first."""
    if interpolation == "lower":
        rank = jnp.floor(rank)
    elif interpolation == "higher":
        rank = jnp.ceil(rank)
    elif interpolation == "nearest":
        rank = jnp.round(rank)
    below = jnp.floor(rank)
    weight = jnp.full_like(rank, 0.5) if interpolation == "midpoint" else rank - below
    low = _pick(values, below)
    high = _pick(values, jnp.ceil(rank))
    near = jnp.abs(weight) < 0.5
    return jnp.where(near, low + weight * (high - low), high - (high - low) * (1 - weight))


def _pick(values: jax.Array, rank: jax.Array) -> jax.Array:
    places = jnp.broadcast_to(rank, (rank.shape[0], *values.shape[:-1])).astype(np.int64)
    return jax.vmap(lambda p: jnp.take_along_axis(values, p[..., None], axis=-1)[..., 0])(places)


@op("torch", "method")
def quantile(
    input: Array,
    q: Number | Array,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Array:
    """The values below which the shares `q` of the elements lie, along `dim` or of all.

    Args:
        q: a number or a vector in [0, 1]; a vector becomes the first dimension of the result.
        interpolation: between neighbours: "linear", "lower", "higher", "midpoint" or "nearest".
    """
    return _quantile(input, q, dim, keepdim, interpolation, False, "quantile")


@op("torch", "method")
def nanquantile(
    input: Array,
    q: Number | Array,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Array:
    """`quantile` of the elements that are not NaN."""
    return _quantile(input, q, dim, keepdim, interpolation, True, "nanquantile")


@op("torch", "method", differentiable=False)
def histc(input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    """How many elements fall into each of `bins` equal bins from `min` to `max`.

    Args:
        min, max: the range; that of the input where both are equal.
    """
    if max < min:
        raise RuntimeError("torch.histc: max must be larger than min")
    if is_integral(input):
        raise not_implemented("histogram_cpu", input)
    if bins <= 0:
        raise RuntimeError(f"torch.histc: bins must be > 0, but got {bins} for dimension 0")
    x = wide(input.reshape(-1))
    low, high = (jnp.asarray(v, x.dtype) for v in (min, max))
    if min == max and x.size:
        low, high = jnp.min(x), jnp.max(x)
    flat = low == high
    low, high = jnp.where(flat, low - 1, low), jnp.where(flat, high + 1, high)
    place = jnp.floor((x - low) / (high - low) * bins).astype(np.int64)
    place = jnp.where(x == high, bins - 1, place)
    inside = (x >= low) & (x <= high)
    counts = jnp.zeros(bins + 1, np.int64).at[jnp.where(inside, place, bins)].add(1)
    return counts[:bins].astype(input.dtype)
