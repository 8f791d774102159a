"""Convolutions as XLA's CPU backend computes them fast: in terms of its plain ones and of products.

On CPUs `lax.conv_general_dilated` (jax 0.10.2) computes a grouped convolution, and the gradient of
one whose input is spread, by loops over single elements: up to 200 times torch's time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide

Pads = Sequence[tuple[int, int]]
# Above as many kernel elements the unrolled program takes too long to compile.
_MOST_TAPS = 128
# Above as many sets of outputs, likewise.
_MOST_PHASES = 16
# Up to as many groups, each is a convolution of its own.
_FEW_GROUPS = 8


class Geometry(NamedTuple):
    """How a kernel passes over an input: steps, zeros around it, gaps, and groups of channels."""

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int


def correlate(x: jax.Array, weight: jax.Array, how: Geometry, plain: Callable) -> jax.Array:
    """The convolution by groups; `plain(x, weight, how)` is XLA's own."""
    taps = math.prod(weight.shape[2:])
    few_taps = taps <= _MOST_TAPS
    if how.groups > 1 and weight.shape[1] == 1 and few_taps:
        return _depthwise(x, weight, how)
    if 1 < how.groups <= _FEW_GROUPS and taps > 1:
        parts = jnp.split(x, how.groups, axis=1), jnp.split(weight, how.groups)
        alone = how._replace(groups=1)
        return jnp.concatenate([plain(*part, alone) for part in zip(*parts)], axis=1)
    if how.groups > 1 and few_taps:
        return _by_products(x, weight, how)
    return plain(x, weight, how)


def _depthwise(x: jax.Array, weight: jax.Array, how: Geometry) -> jax.Array:
    """One input channel an output channel: a sum of shifted inputs times numbers."""
    times = weight.shape[0] // x.shape[1]
    if times > 1:
        x = jnp.repeat(x, times, axis=1)
    taps = wide(weight[:, 0])
    total: Any = 0
    for tap, seen in _shifted(wide(_padded(x, how.pads)), weight.shape[2:], how):
        one = taps[(slice(None), *tap)]
        total = total + seen * one.reshape(-1, *(1,) * len(tap))
    return total.astype(x.dtype)


def _by_products(x: jax.Array, weight: jax.Array, how: Geometry) -> jax.Array:
    """A sum of matrix products, a batch of one for each group, over the shifted inputs."""
    batch, channels, *sizes = x.shape
    blocks = x.reshape(batch, how.groups, channels // how.groups, *sizes)
    inputs = jnp.moveaxis(jnp.moveaxis(blocks, 1, 0), 2, -1)
    kernel = wide(weight.reshape(how.groups, -1, *weight.shape[1:]))
    contracted = ((inputs.ndim - 1,), (2,)), ((0,), (0,))
    total: Any = 0
    for tap, seen in _shifted(wide(_padded(inputs, how.pads)), weight.shape[2:], how):
        one = kernel[(slice(None), slice(None), slice(None), *tap)]
        total = total + lax.dot_general(seen, one, contracted, precision=lax.Precision.HIGHEST)
    outputs = jnp.moveaxis(jnp.moveaxis(total, -1, 2), 0, 1)
    return outputs.reshape(batch, -1, *outputs.shape[3:]).astype(x.dtype)


def _padded(x: jax.Array, pads: Pads) -> jax.Array:
    """`x` with zeros around its dimensions from 2 on.

    The barrier keeps XLA from computing the padding again for each shift.
    """
    widths = [(0, 0, 0)] * 2 + [(*pad, 0) for pad in pads]
    widths += [(0, 0, 0)] * (x.ndim - len(widths))
    return lax.optimization_barrier(lax.pad(x, jnp.zeros((), x.dtype), widths))


def _shifted(
    x: jax.Array, kernel: Sequence[int], how: Geometry
) -> Iterator[tuple[tuple[int, ...], jax.Array]]:
    """Each kernel element, and what it sees at the output positions; sizes from dimension 2 on."""
    rest = x.ndim - 2 - len(kernel)
    for tap in itertools.product(*map(range, kernel)):
        starts, ends = [0, 0], list(x.shape[:2])
        for size, t, k, d in zip(x.shape[2:], tap, kernel, how.dilation):
            starts.append(t * d)
            ends.append(t * d + size - d * (k - 1))
        starts += [0] * rest
        ends += x.shape[x.ndim - rest :]
        yield tap, lax.slice(x, starts, ends, (1, 1, *how.stride, *(1,) * rest))


class _Phase(NamedTuple):
    """The kernel elements that reach every `spread`-th output of one dimension, and their pads."""

    taps: slice
    dilation: int
    pads: tuple[int, int]


def spread_correlate(
    x: jax.Array, weight: jax.Array, how: Geometry, spread: Sequence[int], plain: Callable
) -> jax.Array:
    """The convolution, of stride 1, over an input whose elements lie `spread` steps apart.

    Of the outputs every `spread`-th meets the same kernel elements: each such set of outputs is a
    plain convolution over the input as it is, and the sets are then dealt out in turn.
    """
    if math.prod(spread) > _MOST_PHASES:
        return plain(x, weight, how, spread)
    sizes = [
        (size - 1) * s + 1 + sum(pad) - d * (k - 1)
        for size, s, pad, d, k in zip(x.shape[2:], spread, how.pads, how.dilation, weight.shape[2:])
    ]
    counts = [-(-size // s) for size, s in zip(sizes, spread)]
    dimensions = zip(x.shape[2:], spread, how.pads, how.dilation, weight.shape[2:], counts)
    phases = itertools.product(*(_phases(*one) for one in dimensions))
    parts = [_part(x, weight, how, phase, counts, plain) for phase in phases]
    return _dealt(jnp.stack(parts, axis=2), spread, sizes)


def _phases(
    size: int, step: int, pads: tuple[int, int], dilation: int, kernel: int, count: int
) -> list[_Phase | None]:
    common = math.gcd(step, dilation)
    found: list[_Phase | None] = []
    for phase in range(step):
        reached = (
            t for t in range(min(step, kernel)) if (phase + t * dilation - pads[0]) % step == 0
        )
        first = next(reached, None)
        if first is None:
            found.append(None)
            continue
        taps, gap = slice(first, kernel, step // common), dilation // common
        before = (pads[0] - phase - first * dilation) // step
        reach = gap * (len(range(kernel)[taps]) - 1)
        found.append(_Phase(taps, gap, (before, count - size - before + reach)))
    return found


def _part(
    x: jax.Array,
    weight: jax.Array,
    how: Geometry,
    phase: tuple[_Phase | None, ...],
    counts: Sequence[int],
    plain: Callable,
) -> jax.Array:
    held = [one for one in phase if one is not None]
    if len(held) < len(phase):
        return jnp.zeros((x.shape[0], weight.shape[0], *counts), x.dtype)
    kernel = weight[(slice(None), slice(None), *(one.taps for one in held))]
    own = Geometry(
        (1,) * len(held),
        [one.pads for one in held],
        tuple(one.dilation for one in held),
        how.groups,
    )
    return correlate(x, kernel, own, plain)


def _dealt(parts: jax.Array, spread: Sequence[int], sizes: Sequence[int]) -> jax.Array:
    """`(N, C, phases, *counts)` as `(N, C, *sizes)`."""
    batch, channels, _, *counts = parts.shape
    n = len(spread)
    grid = parts.reshape(batch, channels, *spread, *counts)
    pairs = itertools.chain.from_iterable((2 + n + i, 2 + i) for i in range(n))
    whole = grid.transpose(0, 1, *pairs)
    whole = whole.reshape(batch, channels, *(c * s for c, s in zip(counts, spread)))
    return lax.slice(whole, (0,) * whole.ndim, (batch, channels, *sizes))
