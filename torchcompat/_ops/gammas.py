"""The gamma function's kin: its logarithm, derivatives and incomplete forms, and the zeta function.

Single precision is computed in double: the series lose digits where they cancel.
"""

from __future__ import annotations

import math

import jax
from jax import lax
from jax import numpy as jnp
from jax.scipy import special as jsp

from torchcompat._ops._common import cast, float_input, wide
from torchcompat._ops._incomplete_gamma import incomplete
from torchcompat._ops._pointwise import POINTWISE, float_binary, float_unary, operands
from torchcompat._ops._registry import Array, op


def _doubled(function, x: jax.Array) -> jax.Array:
    return function(x.astype(jnp.float64)).astype(x.dtype)


@jax.custom_jvp
def _digamma(x: jax.Array) -> jax.Array:
    # lax.digamma is not torch's at 0 and at -inf.
    found = jnp.where(x == 0, -jnp.copysign(jnp.inf, x), _doubled(lax.digamma, x))
    return jnp.where(x == -jnp.inf, jnp.nan, found)


@_digamma.defjvp
def _digamma_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    return _digamma(x), step * _polygamma(1, x)


@jax.custom_jvp
def _lgamma(x: jax.Array) -> jax.Array:
    return jnp.where((x == 1) | (x == 2), 0, _doubled(lax.lgamma, x))


@_lgamma.defjvp
def _lgamma_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    return _lgamma(x), step * _digamma(x)


_LGAMMA = "The logarithm of the magnitude of the gamma function."
_DIGAMMA = "The derivative of `lgamma`."
float_unary("lgamma", _lgamma, _LGAMMA)
float_unary("digamma", _digamma, _DIGAMMA, (*POINTWISE, "special"))
float_unary("gammaln", _lgamma, _LGAMMA, ("special",), grad="LgammaBackward0")
float_unary("psi", _digamma, _DIGAMMA, ("special",), grad="DigammaBackward0")


def _zeta(x: jax.Array, q: jax.Array) -> jax.Array:
    x, q = jnp.broadcast_arrays(x.astype(jnp.float64), q.astype(jnp.float64))
    whole = q == jnp.floor(q)
    pole = (x == 1) | ~(x < 1) & (q <= 0) & whole
    found = jnp.where(q > 0, _positive_zeta(x, q), _negative_zeta(x, q))
    limit = jnp.where(q == 1, 1.0, jnp.where(q < 1, jnp.inf, jnp.nan))
    found = jnp.where(x == jnp.inf, limit, jnp.where(jnp.isinf(q), jnp.nan, found))
    return jnp.where(pole, jnp.inf, jnp.where(x < 1, jnp.nan, found))


def _positive_zeta(x: jax.Array, q: jax.Array) -> jax.Array:
    """For q > 0. Of a large power only the first terms count; JAX's series overflows there."""
    q = jnp.where(q > 0, q, 1)
    large = x > 1000
    first = q**-x + (q + 1) ** -x
    far = q > 1e15  # no term counts alone: the sum is its integral
    power = jnp.clip(x, 1.0000001, 1000)
    series = jsp.zeta(jnp.where(large | far, 2.0, x), jnp.where(far, 1.0, q))
    integral = q ** (1 - power) / (power - 1)
    return jnp.where(large, first, jnp.where(far, integral, series))


def _negative_zeta(x: jax.Array, q: jax.Array) -> jax.Array:
    """For q < 0: the terms of negative base are a difference of two sums of positive ones."""
    size = jnp.where(q < 0, -q, 0.5)
    part = size - jnp.floor(size)
    part = jnp.where(part == 0, 0.5, part)
    below = _positive_zeta(x, part) - _positive_zeta(x, size + 1)
    sign = jnp.where(x % 2 == 0, 1, -1)
    found = _positive_zeta(x, 1 - part) + sign * below
    return jnp.where((x == jnp.floor(x)) & jnp.isfinite(q), found, jnp.nan)


def _zeta_of(x: jax.Array, q: jax.Array) -> jax.Array:
    return _zeta(x, q).astype(jnp.result_type(x, q))


float_binary("zeta", _zeta_of, "The Hurwitz zeta function.", ("special",), numbers=True)


@op("torch", "special")
def polygamma(n: int, input: Array) -> Array:
    """The `n`-th derivative of `digamma`."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    x = float_input(input)
    return _polygamma(n, wide(x)).astype(x.dtype)


def _polygamma(n: int, x: jax.Array) -> jax.Array:
    if n == 0:
        return _digamma(x)
    return _higher(n, x)


@jax.custom_jvp
def _trigamma(x: jax.Array) -> jax.Array:
    # Euler's reflection, since the series behind lax.polygamma holds for positive x.
    left = x < 0.5
    upper = jnp.where(left, 1 - x, x)
    found = lax.polygamma(jnp.ones_like(x), jnp.where(jnp.isinf(x), 1.0, upper))
    sine = jnp.sin(math.pi * jnp.where(left, x, 0.5))
    found = jnp.where(left, (math.pi / sine) ** 2 - found, found)
    return jnp.where(jnp.isinf(x), jnp.where(x > 0, 0.0, jnp.nan), found)


@_trigamma.defjvp
def _trigamma_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    return _trigamma(x), step * _higher(2, x)


def _higher(n: int, x: jax.Array) -> jax.Array:
    """Of order 1 and above."""
    return _doubled(_trigamma, x) if n == 1 else _by_zeta(n, x)


def _factorial(n: int) -> float:
    return math.inf if n > 170 else float(math.factorial(n))


def _by_zeta(n: int, x: jax.Array) -> jax.Array:
    @jax.custom_jvp
    def run(x: jax.Array) -> jax.Array:
        power = jnp.full(x.shape, n + 1.0, jnp.float64)
        return ((-1) ** (n + 1) * _factorial(n) * _zeta(power, x)).astype(x.dtype)

    @run.defjvp
    def run_jvp(primals: tuple, tangents: tuple) -> tuple:
        (x,), (step,) = primals, tangents
        return run(x), step * _by_zeta(n + 1, x)

    return run(x)


@op(*POINTWISE)
def mvlgamma(input: Array, p: int) -> Array:
    """The logarithm of the multivariate gamma function of dimension `p`."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    x = float_input(input)
    steps = jnp.arange(p, dtype=x.dtype) / 2
    rest = p * (p - 1) / 4 * math.log(math.pi)
    return cast(_lgamma(x[..., None] - steps).sum(-1) + rest, operands(x)[1])


@op("special")
def multigammaln(input: Array, p: int) -> Array:
    """The logarithm of the multivariate gamma function of dimension `p`."""
    return mvlgamma(input, p)


def _incomplete(upper: bool):
    @jax.custom_jvp
    def run(a: jax.Array, x: jax.Array) -> jax.Array:
        return incomplete(a, x, upper).astype(jnp.result_type(a, x))

    @run.defjvp
    def run_jvp(primals: tuple, tangents: tuple) -> tuple:
        """The slope in `x` alone: torch has none in `a`."""
        (a, x), (_, step) = primals, tangents
        slope = jnp.exp((a - 1) * jnp.log(x) - x - _lgamma(a))
        return run(a, x), step * (-slope if upper else slope)

    return run


_LOWER = (_incomplete(False), "The regularized lower incomplete gamma function.")
_UPPER = (_incomplete(True), "The regularized upper incomplete gamma function.")
float_binary("gammainc", *_LOWER, ("special",))
float_binary("gammaincc", *_UPPER, ("special",))
float_binary("igamma", *_LOWER)
float_binary("igammac", *_UPPER)
