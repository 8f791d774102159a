"""Running sums, products and extremes, and differences of neighbours."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import cast, dtype_of, wide, wrap_dim
from torchcompat._ops._pointwise import is_integral, register
from torchcompat._ops._registry import Array, op

_FACES = ("torch", "method", "inplace")


def _running(name: str, compute: Callable, doc: str) -> None:
    def run(input: Array, dim: int, *, dtype: Dtype | None = None) -> Array:
        to = dtype or (_dtype.int64 if is_integral(input) else dtype_of(input))
        axis = wrap_dim(dim, input.ndim)
        x = cast(input, to)
        return cast(compute(wide(x), axis=axis), to) if x.ndim else x

    register(run, name, doc, _FACES)


_running("cumsum", jnp.cumsum, "The sums of the elements so far along `dim`.")
_running("cumprod", jnp.cumprod, "The products of the elements so far along `dim`.")


@op("torch", "method")
def logcumsumexp(input: Array, dim: int) -> Array:
    """The logarithm of the sums of the exponentials so far along `dim`."""
    axis = wrap_dim(dim, input.ndim)
    if is_integral(input):
        name = _dtype.scalar_name(dtype_of(input))
        raise NotImplementedError(f'"logcumsumexp_out_cpu" not implemented for {name!r}')
    if not input.ndim:
        return input
    return lax.cumlogsumexp(wide(input), axis=axis).astype(input.dtype)


def _running_extreme(name: str, compute: Callable, reaches: Callable, word: str) -> None:
    def run(input: Array, dim: int) -> tuple[Array, Array]:
        axis = wrap_dim(dim, input.ndim)
        if not input.ndim:
            return input, jnp.zeros((), np.int64)
        held = lax.stop_gradient(input)
        ordered = held.astype(np.uint8) if dtype_of(held) is _dtype.bool_ else held
        best = compute(ordered, axis=axis)
        new = reaches(ordered, best) | (ordered != ordered)
        place = lax.broadcasted_iota(np.int64, input.shape, axis)
        index = lax.cummax(jnp.where(new & _before_nan(ordered, axis), place, 0), axis=axis)
        return jnp.take_along_axis(input, index, axis=axis), index

    doc = f"The {word} element so far along `dim` and where it is."
    register(run, name, doc, ("torch", "method"), returns="values indices")


def _before_nan(x: jax.Array, axis: int) -> jax.Array:
    """True up to the first NaN and at every NaN: nothing replaces a NaN but another."""
    nan = x != x
    return nan | (jnp.cumsum(nan, axis=axis) == 0)


_running_extreme("cummax", lax.cummax, lambda x, best: x >= best, "largest")
_running_extreme("cummin", lax.cummin, lambda x, best: x <= best, "smallest")


@op("torch", "method")
def diff(
    input: Array,
    n: int = 1,
    dim: int = -1,
    prepend: Array | None = None,
    append: Array | None = None,
) -> Array:
    """The `n`-th differences of neighbours along `dim`.

    Args:
        prepend, append: put before and after the input first.
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis = wrap_dim(dim, input.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input
    parts = [x for x in (prepend, input, append) if x is not None]
    x = jnp.concatenate(parts, axis=axis) if len(parts) > 1 else input
    return jnp.diff(x, n=min(n, x.shape[axis]), axis=axis)


def _trapezoids(y: Array, x: Array | None, dx: Array, dim: int) -> tuple[jax.Array, int]:
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    axis = wrap_dim(dim, y.ndim)
    y = y if not is_integral(y) else cast(y, _dtype.get_default_dtype())
    left = lax.slice_in_dim(y, 0, max(y.shape[axis] - 1, 0), axis=axis)
    right = lax.slice_in_dim(y, min(1, y.shape[axis]), None, axis=axis)
    if x is None:
        return (left + right) * (jnp.asarray(dx).astype(y.dtype) / 2), axis
    if x.ndim == 1:
        shape = [1] * y.ndim
        shape[axis] = x.shape[0]
        x = x.reshape(shape)
    return (left + right) * (jnp.diff(x, axis=axis) / 2).astype(y.dtype), axis


@op("torch", aliases=["trapz"])
def trapezoid(y: Array, x: Array | None = None, *, dx: Array = 1, dim: int = -1) -> Array:
    """The integral of `y` along `dim` by the trapezoidal rule.

    Args:
        x: where the samples lie; else they are `dx` apart.
    """
    parts, axis = _trapezoids(y, x, dx, dim)
    return jnp.sum(parts, axis=axis)


@op("torch")
def cumulative_trapezoid(
    y: Array, x: Array | None = None, *, dx: Array = 1, dim: int = -1
) -> Array:
    """The integrals of `y` so far along `dim` by the trapezoidal rule."""
    parts, axis = _trapezoids(y, x, dx, dim)
    return jnp.cumsum(parts, axis=axis)
