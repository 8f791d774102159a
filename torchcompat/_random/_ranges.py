"""The ranges of `random_` and `randint`: torch's checks, and how many bits each number takes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from torchcompat._random._arithmetic import narrow
from torchcompat._random._checks import check_bounds, check_kernel, check_true
from torchcompat._random._kinds import INT64, NUMBERS, Kind, kind_of

# Ranges of this size and above are drawn from 64 bits.
_WIDE_SPAN = 2**28
_ONLY_KINDS = "handles only integral, floating-point and boolean types"


def random(
    shape: tuple[int, ...], dtype: np.dtype, low: int | None = None, high: int | None = None
) -> dict[str, Any]:
    """`random_()`, `random_(low, None)` or `random_(low, high)`: where numbers start, how many
    there are, and whether they are drawn from 64 bits."""
    kind = kind_of(dtype)
    if low is None and high is None:
        if math.prod(shape):
            check_kernel("random_kernel_cpu", kind, NUMBERS)
        return {"low": 0, "span": _whole_span(kind), "wide": kind.name in ("int64", "float64")}
    low = low or 0
    if not all(INT64[0] <= bound <= INT64[1] for bound in (low, high or 0)):
        raise ValueError("Overflow when unpacking long long")
    if high is None and low == INT64[0]:
        check_true(
            kind.name in ("int64", "float64", "float32", "bfloat16"),
            "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16",
        )
        return {"low": 0, "span": 2**64, "wide": True}
    low, last = _open_range(low, dtype) if high is None else _closed_range(low, high, dtype)
    check_true(kind.least is not None, f"check_random_bounds {_ONLY_KINDS}")
    for bound, name in ((low, "from"), (last, "to - 1")):
        check_bounds(bound, name, kind)
        _warn_of_gaps(bound, name, kind)
    return {"low": low, "span": last - low + 1, "wide": last - low + 1 >= _WIDE_SPAN}


def _whole_span(kind: Kind) -> int:
    if kind.digits:
        return 2**kind.digits + 1
    return (kind.greatest or 0) + 1


def _open_range(low: int, dtype: np.dtype) -> tuple[int, int]:
    """From `low` to the end of the type."""
    kind = kind_of(dtype)
    check_true(kind.greatest is not None, f"random_from_to_impl {_ONLY_KINDS}")
    if not kind.digits:
        return low, kind.greatest
    low, last = _inwards(low, dtype, 1), 2**kind.digits
    check_true(
        low < last,
        "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' "
        "casted to dtype, but got from={} > to_inc={}",
        low,
        last,
    )
    return low, last


def _closed_range(low: int, high: int, dtype: np.dtype) -> tuple[int, int]:
    """From `low` to the number before `high`."""
    found = "but got from={} >= to={}"
    check_true(low < high, f"random_ expects 'from' to be less than 'to', {found}", low, high)
    if kind_of(dtype).digits:
        low, high = _inwards(low, dtype, 1), _inwards(high, dtype, -1)
        text = "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
        check_true(low < high, text + found, low, high)
    return low, high - 1


def _inwards(bound: int, dtype: np.dtype, step: int) -> int:
    """A bound moved to the next number of a float type, if its neighbour rounds past it."""
    neighbour = _rounded(bound + step, dtype)
    if neighbour < bound if step > 0 else neighbour >= bound:
        gap = 2 ** max(abs(bound + step).bit_length() - kind_of(dtype).digits, 0)
        return neighbour + step * gap
    return bound


def _rounded(value: int, dtype: np.dtype) -> int:
    """The integer that C gets by way of a float type; what does not fit becomes the least."""
    with np.errstate(over="ignore"):
        cast = float(narrow(np.array(float(value)), dtype))
    return int(cast) if -(2.0**63) <= cast < 2.0**63 else INT64[0]


def _warn_of_gaps(value: int, name: str, kind: Kind) -> None:
    """Integers of this size do not all exist in a float type."""
    if kind.digits and abs(value) > 2**kind.digits:
        warnings.warn(
            f"{name} is out of bounds [-(2^{kind.digits}), 2^{kind.digits}]. Due to precision "
            f"limitations {kind.c_name} can support discrete uniform distribution only within "
            "this range. This warning will become an error in version 1.7 release, please fix "
            "the code in advance",
            UserWarning,
        )
