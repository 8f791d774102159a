"""The regularized incomplete gamma functions, in double precision.

`jax.lax.igamma` is cut off after 2000 terms, which is wrong for large arguments, and cannot be lowered
outside of a 64-bit scope.
"""

from __future__ import annotations

import math

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops import _bessel_tables as tables
from torchcompat._ops._expansions import horner

_EPSILON = 2.0**-53
_ROUNDS = 2000
_ZETAS = (  # zeta(2), zeta(3), ...: the Taylor coefficients of log gamma(1 + a)
    1.6449340668482264,
    1.2020569031595942,
    1.0823232337111382,
    1.03692775514337,
    1.0173430619844492,
    1.0083492773819228,
    1.0040773561979444,
    1.0020083928260821,
    1.0009945751278182,
    1.0004941886041194,
    1.000246086553308,
    1.0001227133475785,
    1.000061248135058,
    1.000030588236307,
    1.0000152822594086,
    1.000007637197638,
)
_EULER = 0.5772156649015329


def _log_gamma_next(a: jax.Array) -> jax.Array:
    """`log gamma(1 + a)`, exact near 0."""
    small = jnp.where(jnp.abs(a) < 0.1, a, 0)
    series = tuple((-1) ** k * z / k for k, z in enumerate(_ZETAS, 2))
    near = small * (-_EULER + small * horner(series, small))
    return jnp.where(jnp.abs(a) < 0.1, near, lax.lgamma(1 + a))


def _factor(a: jax.Array, x: jax.Array) -> jax.Array:
    """`x ** a exp(-x) / gamma(a + 1)`."""
    return jnp.exp(a * jnp.log(x) - x - _log_gamma_next(a))


def _lower_series(a: jax.Array, x: jax.Array, wanted: jax.Array) -> jax.Array:
    """P by its power series; for x up to a."""

    def running(state: tuple) -> jax.Array:
        n, term, total = state
        return (n < _ROUNDS) & jnp.any(wanted & (term > total * _EPSILON))

    def advance(state: tuple) -> tuple:
        n, term, total = state
        term = term * x / (a + n)
        return n + 1, term, total + term

    one = jnp.ones_like(x)
    total = lax.while_loop(running, advance, (jnp.float64(1), one, one))[2]
    return _factor(a, x) * total


def _upper_fraction(a: jax.Array, x: jax.Array, wanted: jax.Array) -> jax.Array:
    """Q by Legendre's continued fraction, evaluated by Lentz's method; for x above a + 1."""
    tiny = 1e-300

    def running(state: tuple) -> jax.Array:
        n, _, _, _, step = state
        return (n < _ROUNDS) & jnp.any(wanted & (jnp.abs(step - 1) > _EPSILON * 2))

    def advance(state: tuple) -> tuple:
        n, c, d, value, _ = state
        numerator = -n * (n - a)
        b = x + (2 * n + 1) - a
        d = 1 / _kept_off(b + numerator * d, tiny)
        c = _kept_off(b + numerator / c, tiny)
        return n + 1, c, d, value * c * d, c * d

    first = 1 / _kept_off(x + 1 - a, tiny)
    start = (jnp.float64(1), jnp.full_like(x, 1 / tiny), first, first, jnp.zeros_like(x))
    return _factor(a, x) * a * lax.while_loop(running, advance, start)[3]


def _kept_off(x: jax.Array, tiny: float) -> jax.Array:
    return jnp.where(jnp.abs(x) < tiny, tiny, x)


def _upper_small(a: jax.Array, x: jax.Array) -> jax.Array:
    """Q for x up to about 1, where `1 - P` cancels."""
    term, total = jnp.ones_like(x), jnp.zeros_like(x)
    for n in range(1, 30):
        term = term * -x / n
        total = total + a * term / (a + n)
    power = a * jnp.log(x) - _log_gamma_next(a)
    return -jnp.expm1(power) - jnp.exp(power) * total


def _uniform(a: jax.Array, x: jax.Array, sign: int) -> jax.Array:
    """P (sign -1) or Q (sign 1) for large a and x near it, by Temme's expansion."""
    mu = (x - a) / a
    half = mu - jnp.log1p(mu)
    # mu - log1p(mu) cancels near 0.
    series = tuple((-1) ** n / n for n in range(2, 24))
    half = jnp.where(jnp.abs(mu) < 0.1, mu * mu * horner(series, mu), half)
    eta = jnp.sign(mu) * jnp.sqrt(2 * half)
    rows = [horner(row, eta) for row in tables.TEMME]
    rest = jnp.zeros_like(a)
    for row in reversed(rows):
        rest = rest / a + row
    rest = rest * jnp.exp(-a * half) / jnp.sqrt(2 * math.pi * a)
    return lax.erfc(sign * eta * jnp.sqrt(a / 2)) / 2 + sign * rest


def incomplete(a: jax.Array, x: jax.Array, upper: bool) -> jax.Array:
    """Q(a, x) if `upper`, else P(a, x); torch's values at the edges."""
    a, x = jnp.broadcast_arrays(a, x)
    a, x = a.astype(jnp.float64), x.astype(jnp.float64)
    plain = (a > 0) & (x > 0) & jnp.isfinite(a) & jnp.isfinite(x)
    p, q = jnp.where(plain, a, 1.0), jnp.where(plain, x, 1.0)
    uniform = (p > 200) & (jnp.abs(q - p) < 0.4 * p)
    by_fraction = (q > 1.1) & (q > p) & ~uniform
    by_series = ~by_fraction & ~uniform
    lower = _lower_series(jnp.where(by_series, p, 1.0), jnp.where(by_series, q, 0.5), by_series)
    above = _upper_fraction(
        jnp.where(by_fraction, p, 1.0), jnp.where(by_fraction, q, 3.0), by_fraction
    )
    wide = [jnp.where(uniform, v, 400.0) for v in (p, q)]
    if upper:
        small = by_series & (q <= 1.1) & (p < 4)
        near = _upper_small(jnp.where(small, p, 1.0), jnp.where(small, q, 1.0))
        found = jnp.where(by_fraction, above, jnp.where(small, near, 1 - lower))
    else:
        found = jnp.where(by_fraction, 1 - above, lower)
    found = jnp.where(uniform, _uniform(wide[0], wide[1], 1 if upper else -1), found)
    return jnp.where(plain, found, _edge(a, x, upper))


def _edge(a: jax.Array, x: jax.Array, upper: bool) -> jax.Array:
    none, all_ = (1.0, 0.0) if upper else (0.0, 1.0)
    found = jnp.where(jnp.isinf(x), all_, jnp.nan)
    found = jnp.where(jnp.isinf(a), jnp.where(jnp.isinf(x), jnp.nan, none), found)
    found = jnp.where(x == 0, none, found)
    found = jnp.where(a == 0, jnp.where(x > 0, all_, jnp.nan), found)
    return jnp.where((a < 0) | (x < 0), jnp.nan, found)
