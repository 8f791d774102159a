"""Numerical derivatives along a dimension, for `torch.gradient`."""

from __future__ import annotations

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import cast, dtype_of, floating_type, result_type
from torchcompat._ops._registry import Array, op

_OUTER = (  # weights of the first three elements in the slope at the first, by order of accuracy
    (-1.0, 1.0, 0.0),
    (-1.5, 2.0, -0.5),
)


def _part(x: jax.Array, dim: int, start: int, stop: int) -> jax.Array:
    return lax.slice_in_dim(x, start, x.shape[dim] + stop if stop <= 0 else stop, axis=dim)


def _edges(x: jax.Array, dim: int, edge_order: int) -> tuple[jax.Array, jax.Array]:
    """Differences at both ends, for steps of 1."""
    n = edge_order + 1
    first = sum(w * _part(x, dim, i, i + 1) for i, w in enumerate(_OUTER[edge_order - 1][:n]))
    flipped = jnp.flip(x, dim)
    last = sum(w * _part(flipped, dim, i, i + 1) for i, w in enumerate(_OUTER[edge_order - 1][:n]))
    return first, -last


def _check(input: jax.Array, dim: int, edge_order: int) -> None:
    if dtype_of(input) is _dtype.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if dtype_of(input) is _dtype.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if input.shape[dim] < edge_order + 1:
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1"
        )


@op(name="gradient_op")
def gradient_op(input: Array, spacing: Array, dim: int, edge_order: int) -> Array:
    """The slope along `dim` of values that lie `spacing` apart."""
    _check(input, dim, edge_order)
    to = floating_type(result_type(input, spacing))
    x, step = cast(input, to), cast(spacing, to)
    middle = (_part(x, dim, 2, 0) - _part(x, dim, 0, -2)) / 2
    first, last = _edges(x, dim, edge_order)
    return cast(jnp.concatenate([first, middle, last], dim) / step, to)


@op(name="gradient_at_op")
def gradient_at_op(input: Array, places: Array, dim: int, edge_order: int) -> Array:
    """The slope along `dim` of values at these places, which may lie at any distances."""
    _check(input, dim, edge_order)
    to = floating_type(result_type(input, places))
    x = cast(input, to)
    gaps = jnp.diff(cast(places, to))
    if gaps.shape[0] != x.shape[dim] - 1:
        raise RuntimeError(
            f"The size of tensor a ({max(gaps.shape[0] - 1, 0)}) must match the size of tensor b "
            f"({max(x.shape[dim] - 2, 0)}) at non-singleton dimension {dim}"
        )
    shape = [1] * x.ndim
    shape[dim] = -1
    gaps = gaps.reshape(shape)
    slopes = jnp.diff(x, axis=dim) / gaps
    before, after = _part(gaps, dim, 0, -1), _part(gaps, dim, 1, 0)
    left, right = _part(slopes, dim, 0, -1), _part(slopes, dim, 1, 0)
    middle = (after * left + before * right) / (before + after)
    first, last = _part(slopes, dim, 0, 1), _part(slopes, dim, slopes.shape[dim] - 1, 0)
    if edge_order == 2:
        bend = (right - left) / (before + after)
        end = bend.shape[dim] - 1
        first = first - _part(gaps, dim, 0, 1) * _part(bend, dim, 0, 1)
        last = last + _part(gaps, dim, gaps.shape[dim] - 1, 0) * _part(bend, dim, end, 0)
    return jnp.concatenate([first, middle, last], dim)
