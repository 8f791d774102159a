"""Host forms: NumPy arrays with the bits of torch's CPU kernels, drawn from a `Generator`.

Each takes the generator, a shape and a NumPy dtype, then the parameters of its distribution, which
`_checks` has looked at. Numbers are drawn in blocks that stay in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torchcompat._random._arithmetic import box_muller, fused, libm, narrow
from torchcompat._random._mt19937 import Generator

_BLOCK = 1 << 15
# From here on torch's randperm draws 64 bits at a time, and in another order.
_LARGE_PERMUTATION = (2**32 - 1) // 20

Shape = tuple[int, ...]


def working_type(dtype: np.dtype) -> type:
    """The type torch computes in: float32 for the 16-bit types."""
    return np.float32 if dtype.itemsize == 2 else dtype.type


def _filled(shape: Shape, dtype: np.dtype, block: Callable[[int], np.ndarray]) -> np.ndarray:
    """An array of `shape`, made of what `block(count)` returns for one stretch after another."""
    out = np.empty(shape, dtype)
    flat = out.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        stretch = flat[start : start + _BLOCK]
        stretch[...] = block(stretch.size)
    return out


def _unit(generator: Generator, count: int, kind: type) -> np.ndarray:
    """Uniform numbers in [0, 1): 24 bits as float32, or 53 as float64."""
    if kind is np.float32:
        bits = generator.random32(count)
        bits &= np.uint32(2**24 - 1)
        return bits.view(np.int32).astype(np.float32) * np.float32(2**-24)
    wide = generator.random64(count)
    wide &= np.uint64(2**53 - 1)
    return wide.view(np.int64).astype(np.float64) * 2**-53


def uniform(
    generator: Generator, shape: Shape, dtype: np.dtype, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    kind = working_type(dtype)
    if dtype == kind and low == 0 and high == 1:
        return _filled(shape, dtype, lambda count: _unit(generator, count, kind))
    start, span = kind(low), kind(high) - kind(low)
    first, last = narrow(np.array([low, high]), dtype)

    def block(count: int) -> np.ndarray:
        value = narrow(fused(_unit(generator, count, kind), span, start), dtype)
        value[value == last] = first
        return value

    return _filled(shape, dtype, block)


def normal(
    generator: Generator,
    shape: Shape,
    dtype: np.dtype,
    mean: float = 0.0,
    std: float = 1.0,
    contiguous: bool = True,
) -> np.ndarray:
    """`contiguous=False` gives what torch writes, in storage order, to a tensor that is not."""
    out = np.empty(shape, dtype)
    flat = out.reshape(-1)
    if flat.size < 16 or not contiguous:
        flat[...] = narrow(_normal64(generator, flat.size, mean, std), dtype)
        return out
    kind = working_type(dtype)

    def fill(part: np.ndarray) -> None:
        blocks = _unit(generator, part.size, kind).reshape(-1, 2, 8)
        part[...] = box_muller(blocks, mean, std).reshape(-1).astype(dtype)

    whole = flat.size // 16 * 16
    for start in range(0, whole, _BLOCK):
        fill(flat[start : min(start + _BLOCK, whole)])
    if whole < flat.size:
        if dtype == kind:
            # torch has filled the array with uniform numbers before it transforms any.
            _unit(generator, flat.size - whole, kind)
        fill(flat[-16:])
    return out


def _normal64(generator: Generator, count: int, mean: float, std: float) -> np.ndarray:
    """Normal numbers drawn in pairs; the generator keeps the second half of the last pair."""
    kept = [] if generator.next_normal is None or not count else [generator.next_normal]
    pairs = (count - len(kept) + 1) // 2
    angle, share = _unit(generator, 2 * pairs, np.float64).reshape(-1, 2).T
    radius = np.sqrt(-2 * libm(math.log1p, -share))
    theta = 2 * math.pi * angle
    drawn = np.stack([radius * libm(math.cos, theta), radius * libm(math.sin, theta)], axis=1)
    unit = np.concatenate([kept, drawn.ravel()])
    if count:
        generator.next_normal = float(unit[count]) if unit.size > count else None
    return fused(unit[:count], std, mean)


def log_normal(
    generator: Generator, shape: Shape, dtype: np.dtype, mean: float = 1.0, std: float = 2.0
) -> np.ndarray:
    exponent = _normal64(generator, math.prod(shape), mean, std)
    finite = np.minimum(exponent, 709.782712893384)
    value = np.where(finite < exponent, np.inf, libm(math.exp, finite))
    return _cast_floats(value, dtype).reshape(shape)


def _cast_floats(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        return narrow(value, dtype)


def random(
    generator: Generator,
    shape: Shape,
    dtype: np.dtype,
    low: int | None = None,
    span: int | None = None,
    wide: bool = False,
) -> np.ndarray:
    """Integers in [low, low + span), the remainders of 32 bits, or of 64 if `wide`."""
    draw = generator.random64 if wide else generator.random32

    def block(count: int) -> np.ndarray:
        bits = draw(count)
        if span is not None and span < 2**64:
            bits %= bits.dtype.type(span)
        value = bits.astype(np.uint64) + np.uint64((low or 0) % 2**64)
        return as_integers(value.view(np.int64), dtype)

    return _filled(shape, dtype, block)


def as_integers(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """int64 in another dtype; to 16-bit floats by way of float32, as torch converts."""
    is_half = dtype.itemsize == 2 and dtype.kind not in "iu"
    return (value.astype(np.float32) if is_half else value).astype(dtype, copy=False)


def randperm(generator: Generator, shape: Shape, dtype: np.dtype) -> np.ndarray:
    (n,) = shape
    steps = np.arange(n)
    if n < _LARGE_PERMUTATION:
        ahead = np.arange(n, 1, -1, dtype=np.uint32)
        partners = steps[: len(ahead)] + generator.random32(len(ahead)) % ahead
    else:
        partners = (generator.random64(n) % (steps + 1).astype(np.uint64)).astype(np.int64)
    return as_integers(_swapped(steps, partners), dtype)


def _swapped(values: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Swaps values[i] with values[partners[i]], for one i after another."""
    if not partners.size:
        return values
    # LAPACK's row exchange is this very loop. JAX requires SciPy; it is slow to import.
    from scipy.linalg.lapack import dlaswp

    rows = values.astype(np.float64).reshape(-1, 1)
    return dlaswp(rows, partners.astype(np.int32), overwrite_a=True)[:, 0].astype(np.int64)


def bernoulli(
    generator: Generator, shape: Shape, dtype: np.dtype, p: float | np.ndarray = 0.5
) -> np.ndarray:
    """A number `p` is compared with float64 draws; an array with draws of its own precision."""
    if isinstance(p, float):
        return _filled(shape, dtype, lambda count: _unit(generator, count, np.float64) < p)
    kind = np.float64 if p.dtype == np.float64 else np.float32
    chances = np.broadcast_to(p.astype(kind), shape).reshape(-1)
    drawn = _filled(chances.shape, np.dtype(kind), lambda count: _unit(generator, count, kind))
    return (drawn < chances).astype(dtype).reshape(shape)


def _log1p(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    # NumPy's is off by one unit of float64 at times, which no narrower type shows.
    return libm(math.log1p, x) if dtype == np.float64 else np.log1p(x)


def exponential(
    generator: Generator, shape: Shape, dtype: np.dtype, lambd: float = 1.0
) -> np.ndarray:
    scale = -1.0 / lambd

    def block(count: int) -> np.ndarray:
        return narrow(scale * _log1p(-_unit(generator, count, np.float64), dtype), dtype)

    return _filled(shape, dtype, block)


def geometric(generator: Generator, shape: Shape, dtype: np.dtype, p: float) -> np.ndarray:
    scale = math.log1p(-p)

    def block(count: int) -> np.ndarray:
        with np.errstate(divide="ignore"):
            value = np.ceil(np.log(_unit(generator, count, np.float64)) / scale)
        if dtype.kind in "iu":
            # Conversions of what does not fit are modular through a wider integer, as in C.
            return value.astype(np.int64).astype(dtype)
        return _cast_floats(value, dtype)

    return _filled(shape, dtype, block)


def cauchy(
    generator: Generator, shape: Shape, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0
) -> np.ndarray:
    def block(count: int) -> np.ndarray:
        angle = math.pi * (_unit(generator, count, np.float64) - 0.5)
        tangent = libm(math.tan, angle) if dtype == np.float64 else np.tan(angle)
        return _cast_floats(fused(tangent, sigma, median), dtype)

    return _filled(shape, dtype, block)


def multinomial(
    generator: Generator,
    shape: Shape,
    dtype: np.dtype,
    probs: np.ndarray,
    replacement: bool = False,
) -> np.ndarray:
    """Indices of categories; `shape` is that of `probs` with the number of samples at its end."""
    count = shape[-1]
    if replacement and count > 1:
        return _with_replacement(generator, shape, probs).astype(dtype)
    waits = exponential(generator, probs.shape, probs.dtype)
    kind = working_type(probs.dtype)
    with np.errstate(divide="ignore", over="ignore"):
        keys = (probs.astype(kind) / waits.astype(kind)).astype(probs.dtype)
    if count == 1:
        return keys.argmax(axis=-1, keepdims=True).astype(dtype)
    return np.argsort(-keys, axis=-1, kind="stable")[..., :count].astype(dtype)


def _with_replacement(generator: Generator, shape: Shape, probs: np.ndarray) -> np.ndarray:
    kind = working_type(probs.dtype)
    rows: np.ndarray = probs.reshape(-1, probs.shape[-1]).astype(kind)
    upto: np.ndarray = np.cumsum(rows, axis=-1, dtype=kind)
    upto /= upto[:, -1:].copy()
    upto[:, -1] = 1
    drawn = _unit(generator, math.prod(shape), np.float64).reshape(len(rows), shape[-1])
    found = [np.searchsorted(edges.astype(np.float64), u) for edges, u in zip(upto, drawn)]
    return np.array(found, np.int64).reshape(shape)


def trunc_normal(
    generator: Generator,
    shape: Shape,
    dtype: np.dtype,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
) -> np.ndarray:
    """What `nn.init.trunc_normal_` draws: normal numbers until each fits, or, where few would fit,
    uniform numbers accepted in proportion to the density."""
    if _below(b, mean, std) - _below(a, mean, std) <= 0.3:
        return _trunc_by_density(generator, shape, dtype, mean, std, a, b)
    low, high = (float(bound) for bound in narrow(np.array([a, b]), dtype))
    result = normal(generator, shape, dtype, mean, std)
    while (outside := (result < low) | (result > high)).any():
        result = np.where(outside, normal(generator, shape, dtype, mean, std), result)
    return result


def _below(x: float, mean: float, std: float) -> float:
    """The normal distribution's probability of less than `x`."""
    return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0


def _trunc_by_density(
    generator: Generator, shape: Shape, dtype: np.dtype, *params: float
) -> np.ndarray:
    mean, std, a, b = params
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    kind: Any = working_type(dtype)
    steps: list[tuple[Callable, Any]] = [
        (np.subtract, mean),
        (np.divide, std),
        (np.multiply, None),
        (np.multiply, -0.5),
        (np.subtract, peak),
    ]

    def log_density(x: np.ndarray) -> np.ndarray:
        for function, other in steps:
            wide = x.astype(kind)
            x = function(wide, wide if other is None else kind(other)).astype(dtype)
        return x

    result = uniform(generator, shape, dtype, a, b)
    candidates, pending = result, np.ones(shape, bool)
    while True:
        chance = uniform(generator, shape, dtype)
        with np.errstate(divide="ignore"):
            log_chance = narrow(np.log(chance.astype(np.float64)), dtype)
        pending = pending & (log_chance > log_density(candidates))
        if not pending.any():
            return result
        candidates = uniform(generator, shape, dtype, a, b)
        result = np.where(pending, candidates, result)
