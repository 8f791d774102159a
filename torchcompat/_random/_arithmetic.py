"""Arithmetic that rounds as torch's CPU kernels do: fused multiply-add, libm and Box-Muller.

torch's random kernels are built for AVX2, also on AVX-512 machines: every `a * b + c` is fused, and
logarithm, sine and cosine of float32 normals are Cephes' polynomials, not libm's. These bits are
reproduced here on any machine. Where torch runs its plain kernels instead (CPUs without AVX2), its
last places differ from these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# Low bits of a float64 that is half way between two float32.
_BELOW_FLOAT32 = np.uint64(2**29 - 1)
_HALF_WAY = np.uint64(2**28)


def narrow(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`x` in `dtype`; to 16 bits by way of float32, as torch converts."""
    return (x.astype(np.float32) if dtype.itemsize == 2 else x).astype(dtype, copy=False)


def fused(a: np.ndarray, b: Any, c: Any) -> np.ndarray:
    """`a * b + c` with one rounding, in the type of `a`; `b` and `c` are scalars of it."""
    return _fused32(a, b, c) if a.dtype == np.float32 else _fused64(a, float(b), float(c))


def _fused32(a: np.ndarray, b: Any, c: Any) -> np.ndarray:
    product = a * np.float64(b)
    total = product + np.float64(c)
    result = total.astype(np.float32)
    # Rounding twice is wrong only where the first rounding lands half way.
    ties = np.flatnonzero((total.ravel().view(np.uint64) & _BELOW_FLOAT32) == _HALF_WAY)
    if ties.size:
        result.flat[ties] = _sum_to_odd(product.flat[ties], np.float64(c)).astype(np.float32)
    return result


def _fused64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """Source: Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008."""
    if c == 0 or b in (0, 1) or not (math.isfinite(b) and math.isfinite(c)):
        return a * b + c
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(np.float64(b))
    lost = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    inner, inner_lost = _two_sum(np.float64(c), lost)
    outer, outer_lost = _two_sum(product, inner)
    return outer + _sum_to_odd(inner_lost, outer_lost)


def _halves(x: Any) -> tuple[Any, Any]:
    """`x` as the sum of two numbers of 26 bits (Veltkamp)."""
    scaled = x * np.float64(2**27 + 1)
    high = scaled - (scaled - x)
    return high, x - high


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded sum and what rounding took away (Knuth)."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def _sum_to_odd(a: Any, b: Any) -> np.ndarray:
    """`a + b` rounded to odd, so that a second rounding is as good as one."""
    total, lost = _two_sum(a, b)
    bits = total.view(np.int64)
    step = np.where((lost > 0) == (total > 0), 1, -1)
    return np.where((lost != 0) & (bits & 1 == 0), bits + step, bits).view(np.float64)


def libm(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """What the C library gives, as in torch's float64 kernels; NumPy's last bits may differ."""
    return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


# Coefficients and reductions of logf, sinf and cosf. Source: Cephes Mathematical Library,
# S. L. Moshier, single precision.
_SQRT_HALF = np.float32(0.707106781186547524)
_LOG2_LOW, _LOG2_HIGH = np.float32(-2.12194440e-4), np.float32(0.693359375)
_FOUR_OVER_PI = np.float32(1.27323954473516)


def _coefficients(*values: float) -> list[np.float64]:
    return [np.float64(np.float32(value)) for value in values]


_MINUS_QUARTER_PI = _coefficients(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
_COS = _coefficients(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN = _coefficients(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_LOG = _coefficients(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)


def _horner(x: np.ndarray, coefficients: list[np.float64]) -> np.ndarray:
    """The polynomial in float32, each step fused: exact in float64, then rounded."""
    y: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        y = (y * x + coefficient).astype(np.float32)
    return y


# The functions below are exact for every float32 that a generator can give (all 2**24 of them were
# compared with fused instructions), so the plain float64 sums need no care about double rounding.


def _log32(x: np.ndarray) -> np.ndarray:
    """The natural logarithm of positive normal numbers."""
    bits = x.view(np.int32)
    mantissa = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)
    small = mantissa < _SQRT_HALF
    exponent = ((bits >> 23) - 126 - small).astype(np.float32)
    x = mantissa - np.float32(1) + np.where(small, mantissa, np.float32(0))
    square = x * x
    wide = square.astype(np.float64)
    y = _horner(x.astype(np.float64), _LOG) * x
    y = (y * wide + exponent * _LOG2_LOW).astype(np.float32)
    y = (wide * -0.5 + y).astype(np.float32)
    return (exponent * np.float64(_LOG2_HIGH) + (x + y)).astype(np.float32)


def _sin_cos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of numbers in [0, 8192)."""
    octant = (x * _FOUR_OVER_PI).astype(np.int32) + 1 & ~1
    turns = octant.astype(np.float64)
    for part in _MINUS_QUARTER_PI:
        x = (turns * part + x).astype(np.float32)
    square = (x * x).astype(np.float64)
    cos = _horner(square, _COS) * square.astype(np.float32)
    cos = (cos * square - square * 0.5).astype(np.float32) + np.float32(1)
    sin = _horner(square, _SIN) * square.astype(np.float32)
    sin = (sin * x.astype(np.float64) + x).astype(np.float32)
    swapped = octant & 2 != 0
    sin, cos = np.where(swapped, cos, sin), np.where(swapped, sin, cos)
    sin.view(np.int32)[...] ^= (octant & 4) << 29
    cos.view(np.int32)[...] ^= (~(octant - 2) & 4) << 29
    return sin, cos


def _log64(x: np.ndarray) -> np.ndarray:
    return libm(math.log, x)


def _sin_cos64(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return libm(math.sin, x), libm(math.cos, x)


def box_muller(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal numbers from uniform ones; both of shape (blocks, 2, 8), float32 or float64.

    Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """
    kind = uniform.dtype.type
    log, sin_cos = (_log32, _sin_cos32) if kind is np.float32 else (_log64, _sin_cos64)
    radius = np.sqrt(kind(-2) * log(kind(1) - uniform[:, 0]))
    sin, cos = sin_cos(kind(2 * math.pi) * uniform[:, 1])
    unit = np.stack([radius * cos, radius * sin], axis=1)
    if mean == 0 and std == 1:
        # A fused sum with zero turns -0 into 0.
        return unit + kind(0)
    return fused(unit, kind(std), kind(mean))
