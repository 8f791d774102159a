"""Reductions of runs of elements along a dimension, and hashes of bits."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._checks import known
from torchcompat._ops._common import dtype_of, wide, wrap_dims
from torchcompat._ops._errors import not_implemented
from torchcompat._ops._pointwise import is_integral
from torchcompat._ops._registry import Array, op
from torchcompat._ops.gathering import combine

# What an empty run gives, and how runs are combined.
_REDUCTIONS = {
    "sum": (0, "sum"),
    "mean": (np.nan, "sum"),
    "max": (-np.inf, "amax"),
    "amax": (-np.inf, "amax"),
    "min": (np.inf, "amin"),
    "amin": (np.inf, "amin"),
    "prod": (1, "prod"),
}


def _check(data: Array, ends: Array | None, axis: int, unsafe: bool, by_length: bool) -> None:
    values = known(ends)
    if values is None or unsafe:
        return
    if by_length and (values < 0).any():
        raise RuntimeError("lengths contains negative value!")
    total = values.sum(-1) if by_length else values[..., -1]
    if (total != data.shape[axis]).any():
        kind = "lengths along axis to sum to" if by_length else "offsets along axis to end at"
        raise RuntimeError(
            f"segment_reduce(): Expected all rows of {kind} data.size(lengths.dim()-1) when "
            "!unsafe."
        )


def _verify(
    data: Array,
    reduce: str,
    lengths: Array | None = None,
    indices: Any = None,
    offsets: Array | None = None,
    axis: int = 0,
    unsafe: bool = False,
    *rest: Any,
) -> None:
    if lengths is not None or offsets is not None:
        ends = offsets if lengths is None else lengths
        _check(data, ends, axis, unsafe, lengths is not None)


@op("torch", verify=_verify)
def segment_reduce(
    data: Array,
    reduce: str,
    *,
    lengths: Array | None = None,
    indices: Array | None = None,
    offsets: Array | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Array:
    """The sum, mean, maximum, minimum or product of consecutive runs along `axis`.

    Args:
        reduce: "sum", "mean", "max", "min" or "prod".
        lengths: of the runs; the leading dimensions are those of `data` before `axis`.
        offsets: where the runs begin, and the end of the last, instead.
        initial: takes part in every run.
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    ends = _ends(lengths, offsets)
    batch, count = ends.shape[:-1], ends.shape[-1]
    rest = data.shape[len(batch) + 1 :]
    flat = data.reshape(-1, data.shape[axis], *rest)
    starts = jnp.zeros_like(ends[..., :1]) if offsets is None else offsets[..., :1]
    runs = jax.vmap(lambda x, e, s: _runs(x, e, s, reduce, initial))
    found = runs(flat, ends.reshape(-1, count), starts.reshape(-1, 1))
    return found.reshape(*batch, count, *rest).astype(data.dtype)


def _ends(lengths: Array | None, offsets: Array | None) -> jax.Array:
    given = offsets if lengths is None else lengths
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if not is_integral(given):
        title = "offsets" if lengths is None else "lengths"
        raise not_implemented(f"_segment_reduce_{title}_cpu_kernel1", given)
    return jnp.cumsum(given, -1) if offsets is None else offsets[..., 1:]


def _runs(x: Array, ends: Array, start: Array, reduce: str, initial: float | None) -> jax.Array:
    empty, how = _REDUCTIONS[reduce]
    count = ends.shape[0]
    place = jnp.arange(x.shape[0])
    run = jnp.searchsorted(ends, place, side="right")
    run = jnp.where((place < start[0]) | (run >= count), count, run)
    first = (0 if reduce == "mean" else empty) if initial is None else initial
    held = jnp.full((count + 1, *x.shape[1:]), first, wide(x).dtype)
    found = combine(held, (run,), wide(x), how)[:count]
    if reduce != "mean":
        return found
    size = jnp.zeros(count + 1, np.int64).at[run].add(1)[:count]
    size = size.reshape(-1, *(1,) * (x.ndim - 1))
    none = empty if initial is None else initial
    return jnp.where(size == 0, none, found / jnp.maximum(size, 1).astype(found.dtype))


@op("torch", "method", differentiable=False)
def hash_tensor(
    input: Array, dim: int | tuple[int, ...] | None = (), *, keepdim: bool = False, mode: int = 0
) -> Array:
    """The exclusive or of the bits of the elements, as float64 or int64."""
    dim = () if dim is None else dim
    if mode:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if dtype_of(input).is_complex:
        raise not_implemented("xor_sum_cpu", input)
    if not input.size and (isinstance(dim, tuple) and not dim):
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify "
            "the reduction dim with the 'dim' argument."
        )
    whole = is_integral(input)
    bits = lax.bitcast_convert_type(input.astype(np.int64 if whole else np.float64), np.uint64)
    axes = wrap_dims(dim, input.ndim) if input.ndim else ()
    found = lax.reduce(bits, np.uint64(0), lax.bitwise_xor, axes)
    return jnp.expand_dims(found, axes) if keepdim else found
