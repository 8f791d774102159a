"""Bessel and Airy functions, from Chebyshev expansions near 0 and of the asymptotic form far out.

They are computed in double precision: the oscillating ones lose digits at large arguments otherwise.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
from jax import numpy as jnp

from torchcompat._ops import _bessel_tables as tables
from torchcompat._ops._common import float_input
from torchcompat._ops._expansions import chebyshev as _series
from torchcompat._ops._pointwise import float_unary, register, reject
from torchcompat._ops._registry import Array

_NEAR = 8.0  # where J and Y turn to their asymptotic form
_AIRY_FAR = 5.5


def _oscillation(order: int, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """J and Y far out. The phase is shifted by angle sums: `x - pi / 4` would lose digits."""
    z = (_NEAR / x) ** 2
    p = _series((tables.P0_FAR, tables.P1_FAR)[order], z, 0, 1)
    q = _series((tables.Q0_FAR, tables.Q1_FAR)[order], z, 0, 1) * (_NEAR / x)
    sine, cosine = jnp.sin(x), jnp.cos(x)
    early, late = (cosine + sine) * math.sqrt(0.5), (sine - cosine) * math.sqrt(0.5)
    if order == 1:
        early, late = late, -early
    scale = jnp.sqrt(2 / (math.pi * x))
    return scale * (p * early - q * late), scale * (p * late + q * early)


def _j(order: int, x: jax.Array) -> jax.Array:
    size = jnp.abs(x)
    near = _series((tables.J0_NEAR, tables.J1_NEAR)[order], x * x, 0, _NEAR**2)
    far = _oscillation(order, jnp.maximum(size, _NEAR))[0]
    if order == 1:
        near, far = near * x, jnp.sign(x) * far
    return jnp.where(size <= _NEAR, near, jnp.where(jnp.isinf(x), jnp.nan, far))


def _y(order: int, x: jax.Array) -> jax.Array:
    held = jnp.clip(x, 0, _NEAR)
    near = 2 / math.pi * jnp.log(held) * _j(order, held)
    if order == 0:
        near = near + _series(tables.Y0_NEAR, held * held, 0, _NEAR**2)
    else:
        rest = _series(tables.Y1_NEAR, held * held, 0, _NEAR**2)
        near = near - 2 / (math.pi * held) + held * rest
    far = _oscillation(order, jnp.maximum(x, _NEAR))[1]
    found = jnp.where(x <= _NEAR, near, jnp.where(jnp.isinf(x), jnp.nan, far))
    return jnp.where(x == 0, -jnp.inf, jnp.where(x < 0, jnp.nan, found))


def _k(order: int, x: jax.Array, scaled: bool) -> jax.Array:
    held = jnp.clip(x, 0, 2)
    square = held * held
    if order == 0:
        first = _series(tables.I0_NEAR, square, 0, 4)
        near = _series(tables.K0_NEAR, square, 0, 4) - jnp.log(held) * first
    else:
        first = held * _series(tables.I1_NEAR, square, 0, 4)
        rest = held * _series(tables.K1_NEAR, square, 0, 4)
        near = 1 / held + jnp.log(held) * first + rest
    away = jnp.maximum(x, 2)
    far = _series((tables.K0_FAR, tables.K1_FAR)[order], 2 / away, 0, 1) / jnp.sqrt(away)
    if scaled:
        near = near * jnp.exp(held)
    else:
        far = far * jnp.exp(-away)
    found = jnp.where(x <= 2, near, far)
    return jnp.where(x == 0, jnp.inf, jnp.where(x < 0, jnp.nan, found))


def _airy(x: jax.Array) -> jax.Array:
    middle = _series(tables.AIRY_MIDDLE, x, -2, 1)
    left = _series(tables.AIRY_NEGATIVE, x, -_AIRY_FAR, -2)
    size = jnp.abs(x)
    zeta = 2 / 3 * jnp.maximum(size, 1) ** 1.5
    root = jnp.maximum(size, 1) ** 0.25
    decay = jnp.exp(-zeta) / root * _series(tables.AIRY_POSITIVE, 1 / zeta, 0, 1.5)
    least = 2 / 3 * _AIRY_FAR**1.5
    z = 1 / jnp.maximum(zeta, least) ** 2
    p = _series(tables.AIRY_P_FAR, z, 0, least**-2)
    q = _series(tables.AIRY_Q_FAR, z, 0, least**-2) / jnp.maximum(zeta, least)
    sine, cosine = jnp.sin(zeta), jnp.cos(zeta)
    wave = (p * (cosine + sine) + q * (sine - cosine)) / (math.sqrt(2 * math.pi) * root)
    below = jnp.where(x < -_AIRY_FAR, wave, left)
    found = jnp.where(x > 1, decay, jnp.where(x < -2, below, middle))
    return jnp.where(jnp.isinf(x), jnp.nan, jnp.where(x > 103.892, 0, found))


def _spherical(x: jax.Array) -> jax.Array:
    return jnp.where(jnp.isinf(x), 0, jnp.sinc(x / math.pi))


def _wave(order: int, x: jax.Array) -> jax.Array:
    """I(x) without its exponential."""
    size = jnp.abs(x)
    near = _series((tables.I0E_NEAR, tables.I1E_NEAR)[order], size, 0, _NEAR)
    away = jnp.maximum(size, _NEAR)
    far = _series((tables.I0E_FAR, tables.I1E_FAR)[order], _NEAR / away, 0, 1) / jnp.sqrt(away)
    if order == 1:
        near, far = near * x, far * jnp.sign(x)
    return jnp.where(size <= _NEAR, near, far)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _scaled(order: int, x: jax.Array) -> jax.Array:
    """`exp(-|x|) I(x)`, in the type of `x`."""
    return _wave(order, x.astype(jnp.float64)).astype(x.dtype)


@_scaled.defjvp
def _scaled_jvp(order: int, primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    value = _scaled(order, x)
    return value, step * (_scaled_slope(order, x) - jnp.sign(x) * value)


def _scaled_slope(order: int, x: jax.Array) -> jax.Array:
    """`exp(-|x|)` times the slope of I."""
    if order == 0:
        return _scaled(1, x)
    tiny = jnp.abs(x) < jnp.finfo(x.dtype).eps
    return jnp.where(tiny, 0.5, _scaled(0, x) - _scaled(1, x) / jnp.where(tiny, 1, x))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _grown(order: int, x: jax.Array) -> jax.Array:
    """I(x). The exponential is taken in the type of `x`, so that it overflows where torch's does."""
    return jnp.where(x == 0, 1.0 - order, jnp.exp(jnp.abs(x)) * _scaled(order, x))


@_grown.defjvp
def _grown_jvp(order: int, primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    return _grown(order, x), step * jnp.exp(jnp.abs(x)) * _scaled_slope(order, x)


def _lost_at_infinity(order: int, x: jax.Array) -> jax.Array:
    return jnp.where(jnp.isinf(x), jnp.nan, _grown(order, x))


def _i(order: int) -> str:
    return f"The modified Bessel function of the first kind, order {order}."


_GROWING = ("torch", "method", "inplace", "special")
float_unary("i0", functools.partial(_grown, 0), _i(0), _GROWING)
float_unary("i1", functools.partial(_grown, 1), _i(1), ("special",))
float_unary("i0e", functools.partial(_scaled, 0), "`exp(-|x|) * i0(x)`.", ("special",))
float_unary("i1e", functools.partial(_scaled, 1), "`exp(-|x|) * i1(x)`.", ("special",))

_TABLE: dict[str, tuple[Callable, str]] = {
    "airy_ai": (_airy, "The Airy function Ai."),
    "bessel_j0": (lambda x: _j(0, x), "The Bessel function of the first kind, order 0."),
    "bessel_j1": (lambda x: _j(1, x), "The Bessel function of the first kind, order 1."),
    "bessel_y0": (lambda x: _y(0, x), "The Bessel function of the second kind, order 0."),
    "bessel_y1": (lambda x: _y(1, x), "The Bessel function of the second kind, order 1."),
    "modified_bessel_k0": (
        lambda x: _k(0, x, False),
        "The modified Bessel function of the second kind, order 0.",
    ),
    "modified_bessel_k1": (
        lambda x: _k(1, x, False),
        "The modified Bessel function of the second kind, order 1.",
    ),
    "scaled_modified_bessel_k0": (lambda x: _k(0, x, True), "`exp(x) * modified_bessel_k0(x)`."),
    "scaled_modified_bessel_k1": (lambda x: _k(1, x, True), "`exp(x) * modified_bessel_k1(x)`."),
    "spherical_bessel_j0": (_spherical, "The spherical Bessel function of order 0, `sin(x) / x`."),
}


def _register(name: str, compute: Callable, doc: str) -> None:
    def run(input: Array) -> Array:
        x = float_input(input)
        reject(f"{name}_cpu", x, complexes=True, halves=True)
        return compute(x.astype(jnp.float64)).astype(x.dtype)

    register(run, name, doc, ("special",), differentiable=False)


def _register_first_kind(order: int) -> None:
    name = f"modified_bessel_i{order}"

    def run(input: Array) -> Array:
        x = float_input(input)
        reject(f"{name}_cpu", x, complexes=True, halves=True)
        return _lost_at_infinity(order, x)

    register(run, name, _i(order), ("special",), differentiable=False)


_register_first_kind(0)
_register_first_kind(1)
for _name, (_compute, _doc) in _TABLE.items():
    _register(_name, _compute, _doc)
