"""Special functions: the error function, the normal distribution, entropies."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp
from jax.scipy import special as jsp

from torchcompat._ops import _bessel_tables as tables
from torchcompat._ops._expansions import chebyshev
from torchcompat._ops._pointwise import (
    POINTWISE,
    float_binary,
    float_unary,
    reject,
    with_slopes,
)

_BOTH = (*POINTWISE, "special")


def _erfcx_double(x: jax.Array) -> jax.Array:
    size = jnp.abs(x)
    y = 4 / (4 + size)
    right = y * chebyshev(tables.ERFCX, y, 0, 1)
    return jnp.where(x < 0, 2 * jnp.exp(size * size) - right, right)


@jax.custom_jvp
def _erfcx(x: jax.Array) -> jax.Array:
    return _erfcx_double(x.astype(jnp.float64)).astype(x.dtype)


@_erfcx.defjvp
def _erfcx_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    value = _erfcx(x)
    return value, step * (2 * x * value - 2 / math.sqrt(math.pi))


@jax.custom_jvp
def _log_ndtr(x: jax.Array) -> jax.Array:
    wide = x.astype(jnp.float64)
    t = wide * math.sqrt(0.5)
    left = jnp.log(_erfcx_double(-jnp.minimum(t, 0)) / 2) - t * t
    found = jnp.where(wide < -1, left, jnp.log1p(-lax.erfc(t) / 2))
    return found.astype(x.dtype)


@_log_ndtr.defjvp
def _log_ndtr_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    slope = math.sqrt(2 / math.pi) / _erfcx(x * -math.sqrt(0.5))
    return _log_ndtr(x), step * slope


@jax.custom_jvp
def _ndtri(x: jax.Array) -> jax.Array:
    return jsp.ndtri(x)


@_ndtri.defjvp
def _ndtri_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    value = _ndtri(x)
    return value, step * math.sqrt(2 * math.pi) * jnp.exp(value * value / 2)


def _single_or_double(name, compute):
    def run(x: jax.Array) -> jax.Array:
        reject(f"{name}_cpu", x, complexes=True)
        return compute(x)

    return run


_UNARY = {
    "erf": (lax.erf, _BOTH, "The error function."),
    "erfc": (lax.erfc, _BOTH, "One minus the error function."),
    "erfinv": (lax.erf_inv, _BOTH, "The inverse of the error function."),
    "erfcx": (_erfcx, ("special",), "`exp(x ** 2) * erfc(x)`."),
    "ndtr": (jsp.ndtr, ("special",), "The area under the standard normal density up to x."),
    "ndtri": (_ndtri, ("special",), "The inverse of `ndtr`."),
    "log_ndtr": (_log_ndtr, ("special",), "The logarithm of `ndtr`."),
    "entr": (jsp.entr, ("special",), "`-x log(x)`; 0 at 0, minus infinity below."),
}
for _name, (_compute, _faces, _doc) in _UNARY.items():
    float_unary(_name, _single_or_double(_name, _compute), _doc, _faces)


def _times_log(product: Callable, log: Callable, pole: float) -> Callable:
    """`x log(y)`, 0 where `x` is. So is its slope there if `y` is at the pole or beyond it."""

    def compute(x, y):
        return jnp.where(jnp.isnan(y), y, product(x, y))

    def by_x(x, y):
        return jnp.where((x == 0) & (y <= pole), 0, log(y))

    return with_slopes(compute, by_x, lambda x, y: x / (y - pole))


_xlogy = _times_log(jsp.xlogy, jnp.log, 0.0)
_xlog1py = _times_log(jsp.xlog1py, jnp.log1p, -1.0)
float_binary("xlogy", _xlogy, "`input * log(other)`; 0 where `input` is 0.", _BOTH, numbers=True)
float_binary(
    "xlog1py", _xlog1py, "`input * log1p(other)`; 0 where `input` is 0.", ("special",), numbers=True
)
