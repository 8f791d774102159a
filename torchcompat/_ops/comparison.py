"""Comparisons, tests of values, and the larger or smaller of two."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import cast, dtype_of, promote, result_type
from torchcompat._ops._pointwise import (
    POINTWISE,
    as_strong,
    check_broadcast,
    is_integral,
    operands,
    register,
    reject,
    some_tensor,
    tensors_only,
)
from torchcompat._ops._registry import Array, op

_COMPARISONS = {
    "eq": (jnp.equal, "", "Whether `input == other`, elementwise."),
    "ne": (jnp.not_equal, "not_equal", "Whether `input != other`, elementwise."),
    "lt": (jnp.less, "less", "Whether `input < other`, elementwise."),
    "le": (jnp.less_equal, "less_equal", "Whether `input <= other`, elementwise."),
    "gt": (jnp.greater, "greater", "Whether `input > other`, elementwise."),
    "ge": (jnp.greater_equal, "greater_equal", "Whether `input >= other`, elementwise."),
}


def _comparison(name: str, compare: Callable, alias: str, doc: str) -> None:
    ordered = name not in ("eq", "ne")

    def run(input: Array, other: Array) -> Array:
        check_broadcast(input, other)
        a, b = promote(input, other)
        reject(f"{name}_cpu", a, complexes=ordered)
        return compare(a, b)

    aliases = [alias] if alias else []
    check = some_tensor(name, first=True)
    register(run, name, doc, POINTWISE, aliases=aliases, differentiable=False, check=check)


for _name, _row in _COMPARISONS.items():
    _comparison(_name, *_row)


@op("torch", "method", differentiable=False)
def isnan(input: Array) -> Array:
    """Whether each element is not a number."""
    return jnp.isnan(as_strong(input))


@op("torch", "method", differentiable=False)
def isinf(input: Array) -> Array:
    """Whether each element is infinite."""
    return jnp.isinf(as_strong(input))


@op("torch", "method", differentiable=False)
def isfinite(input: Array) -> Array:
    """Whether each element is neither infinite nor NaN."""
    return jnp.isfinite(as_strong(input))


@op("torch", "method", differentiable=False)
def isposinf(input: Array) -> Array:
    """Whether each element is plus infinity."""
    return jnp.isposinf(_real(input, "isposinf"))


@op("torch", "method", differentiable=False)
def isneginf(input: Array) -> Array:
    """Whether each element is minus infinity."""
    return jnp.isneginf(_real(input, "isneginf"))


def _real(x: Array, name: str) -> jax.Array:
    if dtype_of(x).is_complex:
        raise RuntimeError(f"{name} does not support complex inputs.")
    return as_strong(x)


@op("torch", "method", differentiable=False)
def isreal(input: Array) -> Array:
    """Whether the imaginary part of each element is zero."""
    return jnp.isreal(as_strong(input))


@op("torch", "method", differentiable=False)
def signbit(input: Array) -> Array:
    """Whether the sign bit of each element is set (so for -0.0 too)."""
    if dtype_of(input).is_complex:
        raise NotImplementedError("signbit is not implemented for complex tensors.")
    return input < 0 if is_integral(input) else jnp.signbit(input)


@op("torch", "method", differentiable=False, check=tensors_only("isclose", "input", "other"))
def isclose(
    input: Array, other: Array, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether `|input - other| <= atol + rtol * |other|`, elementwise."""
    if input.dtype != other.dtype:
        names = [_dtype.scalar_name(dtype_of(x)) for x in (input, other)]
        raise RuntimeError(f"{names[0]} did not match {names[1]}")
    for name, bound in (("rtol", rtol), ("atol", atol)):
        if not bound >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {bound:g}")
    check_broadcast(input, other)
    close = input == other
    if equal_nan:
        close |= jnp.isnan(input) & jnp.isnan(other)
    if is_integral(input) and rtol == 0 and atol == 0:
        return close
    a, b = (cast(x, _dtype.get_default_dtype()) if is_integral(x) else x for x in (input, other))
    gap = jnp.abs(a - b)
    return close | (jnp.isfinite(gap) & (gap <= atol + jnp.abs(rtol * b)))


@op(differentiable=False)
def _same(input: Array, other: Array) -> Array:
    """Whether all elements are equal (the sizes are known to be)."""
    return jnp.all(jnp.equal(*promote(input, other)))


def _pick(name: str, choose: Callable, doc: str, aliases: tuple[str, ...] = ()) -> None:
    def run(input: Array, other: Array) -> Array:
        if result_type(input, other).is_complex:
            raise RuntimeError(f"{name} not implemented for complex tensors.")
        check_broadcast(input, other)
        return choose(*promote(input, other))

    check = tensors_only(name, "input", "other")
    register(run, name, doc, ("torch", "method"), aliases=aliases, check=check)


_pick("maximum", jnp.maximum, "The larger of `input` and `other`; NaN wins.")
_pick("minimum", jnp.minimum, "The smaller of `input` and `other`; NaN wins.")
_pick("fmax", jnp.fmax, "The larger of `input` and `other`; NaN loses.")
_pick("fmin", jnp.fmin, "The smaller of `input` and `other`; NaN loses.")


@op(*POINTWISE, aliases=["clip"])
def clamp(input: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """`input` held between `min` and `max`, either of which may be absent; NaN stays."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    given = [x for x in (input, min, max) if x is not None]
    if result_type(*given).is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    (x, *bounds), to = operands(*given)
    if min is not None:
        x = _at_least(x, bounds.pop(0))
    if max is not None:
        x = _at_most(x, bounds.pop(0))
    return cast(x, to)


# At a tie the gradient goes to the input, as in torch; jnp.maximum would share it out.
def _at_least(x: jax.Array, low: jax.Array) -> jax.Array:
    return jnp.where((x < low) | _is_nan(low), low, x)


def _at_most(x: jax.Array, high: jax.Array) -> jax.Array:
    return jnp.where((x > high) | _is_nan(high), high, x)


def _is_nan(x: jax.Array) -> jax.Array:
    return lax.stop_gradient(x) != x


@op(*POINTWISE, check=some_tensor("clamp_min", first=True))
def clamp_min(input: Array, min: Array) -> Array:
    """The larger of `input` and `min`."""
    return clamp(input, min)


@op(*POINTWISE, check=some_tensor("clamp_max", first=True))
def clamp_max(input: Array, max: Array) -> Array:
    """The smaller of `input` and `max`."""
    return clamp(input, None, max)


@op(*POINTWISE, check=tensors_only("heaviside", "input", "values"))
def heaviside(input: Array, values: Array) -> Array:
    """0 where `input` is negative, 1 where it is positive and `values` where it is zero."""
    if input.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    check_broadcast(input, values)
    return jnp.where(input == 0, values, (input > 0).astype(input.dtype))


@op(*POINTWISE)
def nan_to_num(
    input: Array,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Array:
    """`input` with NaN and infinities replaced.

    Args:
        nan: replaces NaN; 0 by default.
        posinf, neginf: replace the infinities; the type's largest and lowest value by default.
    """
    if is_integral(input):
        return input
    return jnp.nan_to_num(input, nan=nan or 0.0, posinf=posinf, neginf=neginf)
