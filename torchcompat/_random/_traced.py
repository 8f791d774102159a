"""Traced forms: pure JAX functions of a key, with the signatures of the host forms.

They have the distributions of the host forms, not their bits. They run with 64-bit types enabled.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._random._host import Shape, working_type


def uniform(
    key: jax.Array, shape: Shape, dtype: np.dtype, low: Any = 0.0, high: Any = 1.0
) -> jax.Array:
    kind = working_type(dtype)
    low, high = jnp.asarray(low, kind), jnp.asarray(high, kind)
    value = jax.random.uniform(key, shape, kind, low, high).astype(dtype)
    # In 16 bits a number just below `high` rounds to it.
    return jnp.where(value == high.astype(dtype), low.astype(dtype), value)


def normal(
    key: jax.Array,
    shape: Shape,
    dtype: np.dtype,
    mean: Any = 0.0,
    std: Any = 1.0,
    contiguous: bool = True,
) -> jax.Array:
    kind = working_type(dtype)
    return _scaled(jax.random.normal(key, shape, kind), std, mean).astype(dtype)


def _scaled(x: jax.Array, scale: Any, offset: Any) -> jax.Array:
    return x * jnp.asarray(scale, x.dtype) + jnp.asarray(offset, x.dtype)


def log_normal(
    key: jax.Array, shape: Shape, dtype: np.dtype, mean: Any = 1.0, std: Any = 2.0
) -> jax.Array:
    kind = np.dtype(working_type(dtype))
    return jnp.exp(normal(key, shape, kind, mean, std)).astype(dtype)


def random(
    key: jax.Array,
    shape: Shape,
    dtype: np.dtype,
    low: int | None = None,
    span: int | None = None,
    wide: bool = False,
) -> jax.Array:
    kind = np.dtype(np.uint64 if wide else np.uint32)
    bits = jax.random.bits(key, shape, kind)
    if span is not None and span < 2**64:
        bits = bits % kind.type(span)
    value = bits.astype(np.uint64) + np.uint64((low or 0) % 2**64)
    return value.astype(np.int64).astype(dtype)


def randperm(key: jax.Array, shape: Shape, dtype: np.dtype) -> jax.Array:
    return jax.random.permutation(key, shape[0]).astype(dtype)


def bernoulli(key: jax.Array, shape: Shape, dtype: np.dtype, p: Any = 0.5) -> jax.Array:
    chances = jnp.asarray(p, np.float32) if isinstance(p, float) else p
    return jax.random.bernoulli(key, chances, shape).astype(dtype)


def exponential(key: jax.Array, shape: Shape, dtype: np.dtype, lambd: Any = 1.0) -> jax.Array:
    kind = working_type(dtype)
    return (jax.random.exponential(key, shape, kind) / jnp.asarray(lambd, kind)).astype(dtype)


def geometric(key: jax.Array, shape: Shape, dtype: np.dtype, p: Any) -> jax.Array:
    wait = jax.random.exponential(key, shape, np.float64)
    trials = jnp.maximum(jnp.ceil(wait / -jnp.log1p(-p)), 1)
    return (trials.astype(np.int64) if dtype.kind in "iu" else trials).astype(dtype)


def cauchy(
    key: jax.Array, shape: Shape, dtype: np.dtype, median: Any = 0.0, sigma: Any = 1.0
) -> jax.Array:
    kind = working_type(dtype)
    return _scaled(jax.random.cauchy(key, shape, kind), sigma, median).astype(dtype)


def multinomial(
    key: jax.Array, shape: Shape, dtype: np.dtype, probs: Any, replacement: bool = False
) -> jax.Array:
    count = shape[-1]
    if replacement:
        logits = jnp.log(probs)[..., None, :]
        return jax.random.categorical(key, logits, shape=shape).astype(dtype)
    kind = working_type(np.dtype(probs.dtype))
    keys = probs.astype(kind) / jax.random.exponential(key, probs.shape, kind)
    return lax.top_k(keys, count)[1].astype(dtype)


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
    chance = jax.random.uniform(key, shape, np.float64, _below(low), _below(high))
    # The inverse has poles at 0 and 1, and rounding may overstep the bounds.
    unit = jnp.clip(jax.scipy.special.ndtri(chance), low, high)
    return (mean + sign * unit * std).astype(dtype)


def _below(x: float) -> float:
    """The standard normal distribution's probability of less than `x`, accurate where small."""
    return math.erfc(-x / math.sqrt(2.0)) / 2.0
