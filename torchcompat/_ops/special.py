"""Special functions: error, gamma, Bessel and their kin."""

from __future__ import annotations

import math

import jax
from jax import lax
from jax import numpy as jnp
from jax.scipy import special as jsp

from torchcompat._ops._common import cast, float_input, wide
from torchcompat._ops._pointwise import POINTWISE, float_binary, float_unary, operands
from torchcompat._ops._registry import Array, op

_BOTH = (*POINTWISE, "special")


@jax.custom_jvp
def _digamma(x: jax.Array) -> jax.Array:
    return jnp.where(x == 0, -jnp.copysign(jnp.inf, x), lax.digamma(x))


@_digamma.defjvp
def _digamma_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    return _digamma(x), step * _polygamma(1, x)


@jax.custom_jvp
def _lgamma(x: jax.Array) -> jax.Array:
    return lax.lgamma(x)


@_lgamma.defjvp
def _lgamma_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (step,) = primals, tangents
    return _lgamma(x), step * _digamma(x)


_UNARY = {
    "erf": (lax.erf, _BOTH, "The error function."),
    "erfc": (lax.erfc, _BOTH, "One minus the error function."),
    "erfinv": (lax.erf_inv, _BOTH, "The inverse of the error function."),
    "lgamma": (_lgamma, POINTWISE, "The logarithm of the magnitude of the gamma function."),
    "digamma": (_digamma, _BOTH, "The derivative of `lgamma`."),
    "i0": (jsp.i0, _BOTH, "The modified Bessel function of the first kind, order 0."),
    "i0e": (jsp.i0e, ("special",), "`exp(-|x|) * i0(x)`."),
    "i1": (jsp.i1, ("special",), "The modified Bessel function of the first kind, order 1."),
    "i1e": (jsp.i1e, ("special",), "`exp(-|x|) * i1(x)`."),
    "ndtr": (jsp.ndtr, ("special",), "The area under the standard normal density up to x."),
    "ndtri": (jsp.ndtri, ("special",), "The inverse of `ndtr`."),
    "log_ndtr": (jsp.log_ndtr, ("special",), "The logarithm of `ndtr`."),
    "entr": (jsp.entr, ("special",), "`-x log(x)`; 0 at 0, minus infinity below."),
}
for _name, (_compute, _faces, _doc) in _UNARY.items():
    float_unary(_name, _compute, _doc, _faces)
float_unary("gammaln", _lgamma, _UNARY["lgamma"][2], ("special",), grad="LgammaBackward0")
float_unary("psi", _digamma, _UNARY["digamma"][2], ("special",), grad="DigammaBackward0")


def _erfcx(x):
    # exp(x**2) overflows beyond 9.4 (float32), where the asymptotic series is exact to rounding.
    near = jnp.exp(jnp.minimum(x * x, 80.0)) * lax.erfc(x)
    inverse = 1 / (2 * x * x)
    far = (1 - inverse * (1 - 3 * inverse * (1 - 5 * inverse))) / (x * math.sqrt(math.pi))
    return jnp.where(x > 8, far, jnp.where(x < -9.3, jnp.exp(x * x) * 2, near))


float_unary("erfcx", _erfcx, "`exp(x ** 2) * erfc(x)`.", ("special",))


def _xlogy(x, y):
    return jnp.where(jnp.isnan(y), y, jsp.xlogy(x, y))


def _xlog1py(x, y):
    return jnp.where(jnp.isnan(y), y, jsp.xlog1py(x, y))


def _zeta(x: jax.Array, q: jax.Array) -> jax.Array:
    pole = (x == 1) | (x > 1) & (q <= 0) & (q == jnp.floor(q))
    return jnp.where(pole, jnp.inf, jnp.where(x < 1, jnp.nan, _shifted_zeta(x, q)))


def _shifted_zeta(x: jax.Array, q: jax.Array) -> jax.Array:
    """Terms of negative base are added one by one: the series behind `jsp.zeta` needs q > 0."""
    x, q = jnp.broadcast_arrays(x, q)
    whole = jnp.floor(x) == x
    base = q[..., None] + jnp.arange(16, dtype=q.dtype)
    terms = jnp.where(base < 0, base, 1) ** -x[..., None]
    below = jnp.sum(jnp.where(base < 0, terms, 0), -1)
    start = jnp.where(q < 0, q + jnp.ceil(-q), q)
    return jnp.where((q < 0) & ~whole, jnp.nan, below + jsp.zeta(x, start))


float_binary("xlogy", _xlogy, "`input * log(other)`; 0 where `input` is 0.", _BOTH, numbers=True)
float_binary(
    "xlog1py", _xlog1py, "`input * log1p(other)`; 0 where `input` is 0.", ("special",), numbers=True
)
float_binary("zeta", _zeta, "The Hurwitz zeta function.", ("special",), numbers=True)
float_binary(
    "gammainc", jsp.gammainc, "The regularized lower incomplete gamma function.", ("special",)
)
float_binary(
    "gammaincc", jsp.gammaincc, "The regularized upper incomplete gamma function.", ("special",)
)
float_binary("igamma", jsp.gammainc, "The regularized lower incomplete gamma function.")
float_binary("igammac", jsp.gammaincc, "The regularized upper incomplete gamma function.")


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
    if n > 1:
        return (-1) ** (n + 1) * math.factorial(n) * _zeta(jnp.full_like(x, n + 1), x)
    # Euler's reflection, since the zeta function behind polygamma holds for positive x.
    left = x < 0.5
    upper = lax.polygamma(jnp.ones_like(x), jnp.where(left, 1 - x, x))
    sine = jnp.sin(math.pi * jnp.where(left, x, 0.5))
    return jnp.where(left, (math.pi / sine) ** 2 - upper, upper)


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
