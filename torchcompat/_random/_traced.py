"""Traced forms: pure JAX functions of a key, with the signatures of the host forms.

They have the distributions of the host forms, not their bits. They are called with 64-bit types
enabled, and draw 32 bits at a time: in a program that is 32-bit otherwise, JAX (0.8.0 to 0.10.2)
lowers `random_bits` of 64 bits only after the scope has ended, and fails.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._random._host import Shape, working_type


def _bits(key: jax.Array, shape: Shape, wide: bool) -> jax.Array:
    """Random uint32, or uint64 if `wide`."""
    if not wide:
        return jax.random.bits(key, shape, np.uint32)
    high, low = jax.random.bits(key, (2, *shape), np.uint32).astype(np.uint64)
    return (high << np.uint64(32)) | low


def _unit(key: jax.Array, shape: Shape, kind: type) -> jax.Array:
    """Numbers in [0, 1): 24 bits as float32, or 53 as float64."""
    wide = kind is np.float64
    bits = _bits(key, shape, wide)
    return (bits >> bits.dtype.type(11 if wide else 8)).astype(kind) * kind(
        2**-53 if wide else 2**-24
    )


def _symmetric(key: jax.Array, shape: Shape, kind: type) -> jax.Array:
    """Numbers in (-1, 1), evenly spaced around zero and never an end."""
    step = kind(2**-53 if kind is np.float64 else 2**-24)
    return 2 * _unit(key, shape, kind) - 1 + step


def _scaled(x: jax.Array, scale: Any, offset: Any) -> jax.Array:
    return x * jnp.asarray(scale, x.dtype) + jnp.asarray(offset, x.dtype)


def uniform(
    key: jax.Array, shape: Shape, dtype: np.dtype, low: Any = 0.0, high: Any = 1.0
) -> jax.Array:
    low, high = (jnp.asarray(bound, working_type(dtype)) for bound in (low, high))
    value = _scaled(_unit(key, shape, working_type(dtype)), high - low, low).astype(dtype)
    # A number just below `high` may round to it.
    return jnp.where(value == high.astype(dtype), low.astype(dtype), value)


def _normal(key: jax.Array, shape: Shape, kind: type) -> jax.Array:
    return lax.erf_inv(_symmetric(key, shape, kind)) * kind(math.sqrt(2))


def normal(
    key: jax.Array,
    shape: Shape,
    dtype: np.dtype,
    mean: Any = 0.0,
    std: Any = 1.0,
    contiguous: bool = True,
) -> jax.Array:
    return _scaled(_normal(key, shape, working_type(dtype)), std, mean).astype(dtype)


def log_normal(
    key: jax.Array, shape: Shape, dtype: np.dtype, mean: Any = 1.0, std: Any = 2.0
) -> jax.Array:
    return jnp.exp(_scaled(_normal(key, shape, working_type(dtype)), std, mean)).astype(dtype)


def random(
    key: jax.Array,
    shape: Shape,
    dtype: np.dtype,
    low: int | None = None,
    span: int | None = None,
    wide: bool = False,
) -> jax.Array:
    bits = _bits(key, shape, wide)
    if span is not None and span < 2**64:
        bits = bits % bits.dtype.type(span)
    value = bits.astype(np.uint64) + np.uint64((low or 0) % 2**64)
    return value.astype(np.int64).astype(dtype)


def randperm(key: jax.Array, shape: Shape, dtype: np.dtype) -> jax.Array:
    return jax.random.permutation(key, shape[0]).astype(dtype)


def bernoulli(key: jax.Array, shape: Shape, dtype: np.dtype, p: Any = 0.5) -> jax.Array:
    # Shared by all elements, a number needs no more than float32, which is fast everywhere.
    chances = jnp.asarray(p, np.float32) if isinstance(p, float) else jnp.asarray(p)
    kind = np.float64 if chances.dtype == np.float64 else np.float32
    return (_unit(key, shape, kind) < chances.astype(kind)).astype(dtype)


def _wait(key: jax.Array, shape: Shape, kind: type) -> jax.Array:
    """Exponential numbers of rate one."""
    return -jnp.log1p(-_unit(key, shape, kind))


def exponential(key: jax.Array, shape: Shape, dtype: np.dtype, lambd: Any = 1.0) -> jax.Array:
    kind = working_type(dtype)
    return (_wait(key, shape, kind) / jnp.asarray(lambd, kind)).astype(dtype)


def geometric(key: jax.Array, shape: Shape, dtype: np.dtype, p: Any) -> jax.Array:
    rate = -jnp.log1p(-jnp.asarray(p, np.float64))
    trials = jnp.maximum(jnp.ceil(_wait(key, shape, np.float64) / rate), 1)
    return (trials.astype(np.int64) if dtype.kind in "iu" else trials).astype(dtype)


def cauchy(
    key: jax.Array, shape: Shape, dtype: np.dtype, median: Any = 0.0, sigma: Any = 1.0
) -> jax.Array:
    kind = working_type(dtype)
    tangent = jnp.tan(kind(math.pi / 2) * _symmetric(key, shape, kind))
    return _scaled(tangent, sigma, median).astype(dtype)


def multinomial(
    key: jax.Array, shape: Shape, dtype: np.dtype, probs: Any, replacement: bool = False
) -> jax.Array:
    kind = working_type(np.dtype(probs.dtype))
    probs = jnp.asarray(probs, kind)
    if not replacement:
        return lax.top_k(probs / _wait(key, probs.shape, kind), shape[-1])[1].astype(dtype)
    upto = jnp.cumsum(probs, axis=-1)
    upto = upto / upto[..., -1:]

    search = jnp.vectorize(_first_above, signature="(n),(k)->(k)")
    return search(upto, _unit(key, shape, kind)).astype(dtype)


def _first_above(edges: jax.Array, values: jax.Array) -> jax.Array:
    return jnp.searchsorted(edges, values, side="right")


def trunc_normal(
    key: jax.Array,
    shape: Shape,
    dtype: np.dtype,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
) -> jax.Array:
    """By the inverse of the distribution function, in float64 and on the side of the near tail."""
    sign = -1 if (a - mean) + (b - mean) > 0 else 1
    low, high = sorted((sign * (a - mean) / std, sign * (b - mean) / std))
    chance = _scaled(_unit(key, shape, np.float64), _below(high) - _below(low), _below(low))
    # The inverse has poles at 0 and 1, and rounding may overstep the bounds.
    unit = jnp.clip(jax.scipy.special.ndtri(chance), low, high)
    return (mean + sign * unit * std).astype(dtype)


def _below(x: float) -> float:
    """The standard normal distribution's probability of less than `x`, accurate where small."""
    return math.erfc(-x / math.sqrt(2.0)) / 2.0
