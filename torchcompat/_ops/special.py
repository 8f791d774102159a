"""Special functions: error, gamma, Bessel and their kin."""

from __future__ import annotations

import math

from jax import lax
from jax import numpy as jnp
from jax.scipy import special as jsp

from torchcompat._ops._common import cast, float_input, wide
from torchcompat._ops._pointwise import POINTWISE, float_binary, float_unary, operands
from torchcompat._ops._registry import Array, op

_BOTH = (*POINTWISE, "special")

_UNARY = {
    "erf": (lax.erf, _BOTH, "The error function."),
    "erfc": (lax.erfc, _BOTH, "One minus the error function."),
    "erfinv": (lax.erf_inv, _BOTH, "The inverse of the error function."),
    "lgamma": (lax.lgamma, POINTWISE, "The logarithm of the magnitude of the gamma function."),
    "digamma": (lax.digamma, _BOTH, "The derivative of `lgamma`."),
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
float_unary("gammaln", lax.lgamma, _UNARY["lgamma"][2], ("special",), grad="LgammaBackward0")
float_unary("psi", lax.digamma, _UNARY["digamma"][2], ("special",), grad="DigammaBackward0")


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


float_binary("xlogy", _xlogy, "`input * log(other)`; 0 where `input` is 0.", _BOTH)
float_binary("xlog1py", _xlog1py, "`input * log1p(other)`; 0 where `input` is 0.", ("special",))
float_binary("zeta", jsp.zeta, "The Hurwitz zeta function.", ("special",))
float_binary("gammainc", jsp.gammainc, "The regularized lower incomplete gamma function.", ("special",))
float_binary("gammaincc", jsp.gammaincc, "The regularized upper incomplete gamma function.", ("special",))
float_binary("igamma", jsp.gammainc, "The regularized lower incomplete gamma function.")
float_binary("igammac", jsp.gammaincc, "The regularized upper incomplete gamma function.")


@op("torch", "special")
def polygamma(n: int, input: Array) -> Array:
    """The `n`-th derivative of `digamma`."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    x = float_input(input)
    z = wide(x)
    return (lax.digamma(z) if n == 0 else lax.polygamma(jnp.full_like(z, n), z)).astype(x.dtype)


@op(*POINTWISE)
def mvlgamma(input: Array, p: int) -> Array:
    """The logarithm of the multivariate gamma function of dimension `p`."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    x = float_input(input)
    steps = jnp.arange(p, dtype=x.dtype) / 2
    rest = p * (p - 1) / 4 * math.log(math.pi)
    return cast(lax.lgamma(x[..., None] - steps).sum(-1) + rest, operands(x)[1])


@op("special")
def multigammaln(input: Array, p: int) -> Array:
    """The logarithm of the multivariate gamma function of dimension `p`."""
    return mvlgamma(input, p)
