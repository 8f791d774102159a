"""The arithmetic of dropout; which elements stay is drawn on floor 3."""

from __future__ import annotations

import math

from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._registry import Array, op

# The value that SELU maps minus infinity to, negated: scale * alpha.
_SELU_LIMIT = 1.7580993408473766


@op(grad="MulBackward0")
def drop(input: Array, keep: Array, p: Array) -> Array:
    """`input` where `keep` is 1, scaled by `1 / (1 - p)`; 0 where it is 0."""
    noise = wide(keep) / jnp.asarray(1 - p, wide(keep).dtype)
    return input * noise.astype(input.dtype)


@op(grad="AddBackward0")
def alpha_drop(input: Array, keep: Array, p: float) -> Array:
    """`input` where `keep` is 1, SELU's limit where it is 0, scaled to keep mean and variance.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    scale = 1 / math.sqrt((_SELU_LIMIT**2 * p + 1) * (1 - p))
    shift = (wide(keep) - 1) * (_SELU_LIMIT * scale) + _SELU_LIMIT * scale * p
    return input * (wide(keep) * scale).astype(input.dtype) + shift.astype(input.dtype)
