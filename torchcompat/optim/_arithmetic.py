"""Elementwise arithmetic of update rules: as torch's kernels do it, rounded where they round.

Half types are computed in float32 and rounded once a call; scalars (float64 while the step is traced)
take the type in which the elements are computed.
"""

from __future__ import annotations

from typing import Any

import jax
from jax import numpy as jnp

from torchcompat._ops._common import wide

Array = jax.Array
Scalar = Any


def _scalar(value: Scalar, like: Array) -> Array:
    return jnp.asarray(value).astype(like.dtype)


def plus(x: Array, y: Array, alpha: Scalar = 1) -> Array:
    """`x + alpha * y`."""
    a, b = wide(x), wide(y)
    return (a + _scalar(alpha, a) * b).astype(x.dtype)


def plus_scalar(x: Array, value: Scalar) -> Array:
    """`x + value`."""
    a = wide(x)
    return (a + _scalar(value, a)).astype(x.dtype)


def times(x: Array, factor: Scalar) -> Array:
    """`x * factor`; `factor` is a scalar or another array of this type."""
    a = wide(x)
    return (a * _scalar(factor, a)).astype(x.dtype)


def over(x: Array, divisor: Scalar) -> Array:
    """`x / divisor`; `divisor` is a scalar or another array of this type."""
    a = wide(x)
    return (a / _scalar(divisor, a)).astype(x.dtype)


def divided(value: Scalar, x: Array) -> Array:
    """`value / x`."""
    a = wide(x)
    return (_scalar(value, a) / a).astype(x.dtype)


def root(x: Array) -> Array:
    """The square root."""
    return jnp.sqrt(wide(x)).astype(x.dtype)


def plus_product(x: Array, y: Array, z: Array, value: Scalar = 1) -> Array:
    """`x + value * y * z`."""
    a, b, c = wide(x), wide(y), wide(z)
    return (a + _scalar(value, a) * b * c).astype(x.dtype)


def plus_quotient(x: Array, y: Array, z: Array, value: Scalar = 1) -> Array:
    """`x + value * y / z`."""
    a, b, c = wide(x), wide(y), wide(z)
    return (a + _scalar(value, a) * b / c).astype(x.dtype)


def towards(x: Array, y: Array, weight: Scalar) -> Array:
    """`x + weight * (y - x)`, computed from the nearer end."""
    a, b = wide(x), wide(y)
    share = _scalar(weight, a)
    gap = b - a
    mixed = jnp.where(jnp.abs(share) < 0.5, a + share * gap, b - gap * (1 - share))
    return mixed.astype(x.dtype)


def norm(x: Array, axis: int | None = None) -> Array:
    """The Euclidean norm, over one axis (which is kept) or all."""
    a = wide(x)
    return jnp.sqrt(jnp.sum(a * a, axis, keepdims=axis is not None)).astype(x.dtype)
