"""`make_tensor`: a tensor of random values in a range that suits its dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchcompat import _dtype, _random
from torchcompat._tensor import Tensor
from torchcompat._tensor._place import put, resolve


def _limits(kind: _dtype.dtype) -> tuple[float, float]:
    if kind.is_floating_point or kind.is_complex:
        return -math.inf, math.inf
    if kind is _dtype.get("bool"):
        return 0, 2
    info = np.iinfo(kind.numpy)
    return info.min, info.max


def _range(kind: _dtype.dtype, low: float | None, high: float | None) -> tuple[float, float]:
    """The range of values, by default [-9, 9) (integers from 0 where unsigned; bool {0, 1}).

    Raises:
        ValueError: it is empty or lies outside of what the dtype holds.
    """
    if kind is _dtype.get("bool"):
        default = (0, 2)
    elif kind is _dtype.get("uint8"):
        default = (0, 10)
    elif kind.is_floating_point or kind.is_complex:
        default = (-9, 9)
    else:
        default = (-9, 10)
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    if any(isinstance(x, float) and math.isnan(x) for x in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low > high or (low == high and not (kind.is_floating_point or kind.is_complex)):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    least, most = _limits(kind)
    if low >= most + 1 or high < least:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {kind} only supports [{least}, {most})"
        )
    return max(low, least), high


def make_tensor(
    *shape: Any,
    dtype: _dtype.dtype,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of values drawn evenly from `[low, high)`.

    Args:
        low, high: the range; by default as suits the dtype.
        noncontiguous: with strides unlike a fresh tensor's.
        exclude_zero: no value is zero.

    Raises:
        ValueError: the range is empty, or both layouts are asked for.
    """
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = tuple(shape[0])
    low, high = _range(dtype, low, high)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got {noncontiguous=} and {memory_format=}"
        )
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}"
        )
    spread = noncontiguous and math.prod(shape) > 1
    size = (*shape[:-1], 2 * shape[-1]) if spread else shape
    values = _values(size, dtype, low, high)
    if exclude_zero:
        one = 1 if not dtype.is_floating_point else float(np.finfo(np.float16).tiny)
        values = np.where(values == 0, one, values)
    result = put(values.astype(dtype.numpy), resolve(device))
    if spread:
        result = result[..., ::2]
    if memory_format is not None:
        result = result.contiguous(memory_format=memory_format)
    return result.requires_grad_(requires_grad)


def _values(size: tuple, dtype: _dtype.dtype, low: float, high: float) -> np.ndarray:
    shape = (*size, 2) if dtype.is_complex else size
    unit = np.asarray(_random.sample("uniform", None, shape, np.float64, low=0.0, high=1.0))
    scaled = low + unit * (high - low)
    if dtype.is_complex:
        return scaled[..., 0] + 1j * scaled[..., 1]
    if dtype.is_floating_point:
        return scaled
    return np.floor(scaled)
