"""Evaluates the tables of `_bessel_tables.py`."""

from __future__ import annotations

import jax
from jax import numpy as jnp


def chebyshev(table: tuple, x: jax.Array, low: float, high: float) -> jax.Array:
    """The Chebyshev expansion over [low, high] at `x`, by Clenshaw's recurrence."""
    t = (jnp.clip(x, low, high) - low) * (4 / (high - low)) - 2
    last = before = jnp.zeros_like(t)
    for c in reversed(table[1:]):
        last, before = t * last - before + c, last
    return t / 2 * last - before + table[0]


def horner(table: tuple, x: jax.Array) -> jax.Array:
    """The polynomial with these coefficients, the constant first."""
    result = jnp.zeros_like(x)
    for c in reversed(table):
        result = result * x + c
    return result
