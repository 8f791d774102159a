"""Elementwise arithmetic, comparison and rounding."""

from __future__ import annotations

from jax import numpy as jnp

from torchcompat._ops._common import promote
from torchcompat._ops._registry import Array, Number, op


@op("torch", "method", "inplace")
def add(input: Array, other: Array, *, alpha: Number | Array = 1) -> Array:
    """`input + alpha * other`, broadcast and promoted."""
    a, b = promote(input, other)
    return a + b * jnp.asarray(alpha, b.dtype)


@op("torch", "method", "inplace", "functional")
def relu(input: Array) -> Array:
    """`max(input, 0)`."""
    return jnp.maximum(input, 0)
