"""Fractional maximum pooling: windows at pseudo-random distances, the same for a whole plane.

Source: Graham, Fractional Max-Pooling, 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._errors import not_implemented, sizes
from torchcompat._ops._registry import Array, op
from torchcompat._ops._rounding import rounding

Sizes = int | Sequence[int]

_LABELS = ("time", "height", "width")


def _make(n: int) -> None:
    def pool(
        input: Array, kernel_size: Sizes, output_size: Sizes, _random_samples: Array
    ) -> tuple[Array, Array]:
        """The maximum of each window and where in its flattened plane it is.

        Args:
            _random_samples: for each plane and dimension a number in [0, 1) that sets where its
                windows start; the width first for images, the depth first for volumes.

        Shape:
            input `(N, C, *)` or `(C, *)`, samples `(N, C, dimensions)`.
        """
        kernel = _each(n, "kernel_size", kernel_size)
        out = _each(n, "output_size", output_size)
        _check(n, input, kernel, out)
        x = input if input.ndim == n + 2 else input[None]
        _check_samples(n, x, _random_samples)
        samples = _random_samples[..., ::-1] if n == 2 else _random_samples
        starts = [
            _starts(samples[: x.shape[0], ..., d], x.shape[2 + d], kernel[d], out[d])
            for d in range(n)
        ]
        index = jax.vmap(jax.vmap(lambda *one: _argmax(*one, kernel)))(x, starts)  # type: ignore[call-arg]
        flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
        places = index.reshape(*x.shape[:2], math.prod(out))
        values = jnp.take_along_axis(flat, places, axis=2, mode="clip").reshape(index.shape)
        found = values, index.astype(jnp.int64)
        return found if input.ndim == n + 2 else tuple(one[0] for one in found)

    op(
        name=f"fractional_max_pool{n}d_with_indices",
        grad=f"FractionalMaxPool{n}DBackward0",
    )(pool)


def _starts(sample: Array, size: int, kernel: int, out: int) -> Array:
    """Where the windows of a dimension start, `(*, out)`; the last one ends at the end."""
    last = jnp.full((*sample.shape, min(out, 1)), size - kernel, jnp.int32)
    if out < 2:
        return last
    rounded, sample = rounding(sample.dtype), wide(sample)[..., None]
    step = rounded(jnp.asarray(size - kernel, sample.dtype) / (out - 1))
    steps = jnp.arange(out - 1, dtype=sample.dtype)
    ahead = rounded(rounded(steps + sample) * step).astype(jnp.int32)
    return jnp.concatenate([ahead - rounded(sample * step).astype(jnp.int32), last], axis=-1)


def _argmax(plane: Array, starts: Sequence[Array], kernel: Sequence[int]) -> Array:
    """The flat position of each window's maximum: the first of equals, or the last NaN."""
    plane = jax.lax.stop_gradient(plane)
    index = jnp.arange(plane.size, dtype=jnp.int32).reshape(plane.shape)
    for axis in reversed(range(plane.ndim)):
        at = _along(index, starts[axis], axis)
        best = jnp.full(at.shape, -jnp.inf, plane.dtype)
        for offset in range(kernel[axis]):
            value = _along(plane, starts[axis] + offset, axis)
            better = (value > best) | (value != value)
            best = jnp.where(better, value, best)
            at = jnp.where(better, _along(index, starts[axis] + offset, axis), at)
        plane, index = best, at
    return index


def _along(x: Array, index: Array, axis: int) -> Array:
    return jnp.take(x, index, axis=axis, mode="clip")


def _each(n: int, name: str, value: Sizes) -> tuple[int, ...]:
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) != n:
        count = "three Ints" if n == 3 else "Ints"
        raise RuntimeError(
            f"fractional_max_pool{n}d: {name} must either be a single Int or tuple of {count}"
        )
    return values


def _check(n: int, input: Array, kernel: Sequence[int], out: Sequence[int]) -> None:
    title = "fractional_max_pool2d" if n == 2 else "fractional_max_pool3d_out"
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{title}(): Expected {n + 1}D or {n + 2}D tensor, but got: {sizes(input)}"
        )
    for dim in range(input.ndim - n - 1, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                f"{title}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"got{sizes(input)} with dimension {dim} being empty."
            )
    for label, size, k, o in zip(_LABELS[-n:], input.shape[-n:], kernel, out):
        if o + k - 1 > size - (n == 3):  # torch wants one element to spare in volumes
            raise RuntimeError(
                f"{title}(): pool {label} {k} too large relative to input {label} {size}"
            )
    if min(out) < 0:
        shape = [*input.shape[:-n], *out]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {shape}")
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise not_implemented(f"fractional_max_pool{n}d_out_frame", input)


def _check_samples(n: int, x: Array, samples: Array) -> None:
    title = "Expect _random_samples"
    if samples.dtype != x.dtype:
        raise RuntimeError(f"{title} to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"{title} to have 3 dimensions, got {samples.ndim}")
    if samples.shape[0] < x.shape[0]:
        raise RuntimeError(f"{title}.size(0) no less then input batch size.")
    if samples.shape[1] != x.shape[1]:
        raise RuntimeError(f"{title}.size(1) equals to input channel size.")
    if samples.shape[2] != n:
        raise RuntimeError(f"{title}.size(2) equals to {n}; got {samples.shape[2]}.")


for _n in (2, 3):
    _make(_n)
