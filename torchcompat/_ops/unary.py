"""Functions of one argument: exponentials, logarithms, trigonometry, signs, rounding."""

from __future__ import annotations

import math

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import dtype_of, float_input, magnitude, tanh, wide
from torchcompat._ops._pointwise import (
    POINTWISE,
    as_strong,
    float_unary,
    is_bool,
    is_integral,
    reject,
    tensors_only,
)
from torchcompat._ops._registry import Array, op


def _log2(x: jax.Array) -> jax.Array:
    """Exact for powers of two, which the quotient of two logarithms is not."""
    if dtype_of(x).is_complex:
        return jnp.log2(x)
    fraction, power = jnp.frexp(x)
    small = fraction < math.sqrt(0.5)
    fraction = jnp.where(small, fraction * 2, fraction)
    exact = (power - small).astype(x.dtype) + jnp.log(fraction) / math.log(2)
    return jnp.where((x > 0) & jnp.isfinite(x), exact, jnp.log(x))


def _sinc(x: jax.Array) -> jax.Array:
    return jnp.sinc(x)


def _real(x: jax.Array, kernel: str) -> jax.Array:
    reject(kernel, x, complexes=True)
    return x


_FLOAT = {
    "exp": (jnp.exp, "e to the power of each element."),
    "exp2": (jnp.exp2, "2 to the power of each element."),
    "expm1": (jnp.expm1, "`exp(input) - 1`, exact near zero."),
    "log": (jnp.log, "The natural logarithm."),
    "log10": (jnp.log10, "The logarithm to base 10."),
    "log1p": (jnp.log1p, "`log(1 + input)`, exact near zero."),
    "log2": (_log2, "The logarithm to base 2."),
    "sqrt": (jnp.sqrt, "The square root."),
    "rsqrt": (lax.rsqrt, "One over the square root."),
    "reciprocal": (jnp.reciprocal, "One over each element."),
    "sigmoid": (jax.nn.sigmoid, "`1 / (1 + exp(-input))`."),
    "sin": (jnp.sin, "The sine, of radians."),
    "cos": (jnp.cos, "The cosine, of radians."),
    "tan": (jnp.tan, "The tangent, of radians."),
    "asin": (jnp.arcsin, "The arcsine, in radians."),
    "acos": (jnp.arccos, "The arccosine, in radians."),
    "atan": (jnp.arctan, "The arctangent, in radians."),
    "sinh": (jnp.sinh, "The hyperbolic sine."),
    "cosh": (jnp.cosh, "The hyperbolic cosine."),
    "tanh": (tanh, "The hyperbolic tangent."),
    "asinh": (jnp.arcsinh, "The inverse hyperbolic sine."),
    "acosh": (jnp.arccosh, "The inverse hyperbolic cosine."),
    "atanh": (jnp.arctanh, "The inverse hyperbolic tangent."),
    "sinc": (_sinc, "`sin(pi x) / (pi x)`, 1 at zero."),
    "deg2rad": (lambda x: _real(x, "deg2rad") * (math.pi / 180), "Degrees as radians."),
    "rad2deg": (lambda x: _real(x, "rad2deg") * (180 / math.pi), "Radians as degrees."),
}
_ALIASES = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}
_SPECIAL = ("exp2", "expm1", "log1p", "sinc")

for _name, (_compute, _doc) in _FLOAT.items():
    float_unary(
        _name,
        _compute,
        _doc,
        POINTWISE + (("special",) if _name in _SPECIAL else ()),
        aliases=[_ALIASES[_name]] if _name in _ALIASES else [],
    )
float_unary("expit", jax.nn.sigmoid, _FLOAT["sigmoid"][1], ("special",), grad="SigmoidBackward0")


@op(*POINTWISE, aliases=["absolute"])
def abs(input: Array) -> Array:
    """The magnitude of each element; real for complex input."""
    reject("abs_cpu", input, bools=True)
    return magnitude(as_strong(input))


@op(*POINTWISE)
def sign(input: Array) -> Array:
    """-1, 0 or 1 by the sign of each element."""
    if dtype_of(input).is_complex:
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. "
            "Please use torch.sgn instead."
        )
    return _signs(input)


@op(*POINTWISE)
def sgn(input: Array) -> Array:
    """The sign of each element; for complex input the number of magnitude 1 with its angle."""
    return _signs(input)


def _signs(input: Array) -> jax.Array:
    x = as_strong(input)
    if is_bool(x):
        return x
    signs = jnp.sign(x)
    return jnp.where(jnp.isnan(x), 0, signs) if dtype_of(x).is_floating_point else signs


def _rounding(name, compute, doc, aliases=()):
    def run(input: Array) -> Array:
        if dtype_of(input).is_complex:
            raise NotImplementedError(f"{name} is not supported for complex inputs")
        reject(f"{name}_vml_cpu", input, bools=True)
        return input if is_integral(input) else compute(input)

    run.__name__ = name
    run.__doc__ = doc
    op(*POINTWISE, name=name, aliases=aliases)(run)


_rounding("floor", jnp.floor, "The largest whole number not above each element.")
_rounding("ceil", jnp.ceil, "The smallest whole number not below each element.")
_rounding("trunc", jnp.trunc, "Each element without its fraction.", ["fix"])


@op(*POINTWISE, "special")
def round(input: Array, *, decimals: int = 0) -> Array:
    """The nearest whole number, halves to even; or the nearest multiple of `10 ** -decimals`."""
    if dtype_of(input).is_complex:
        raise NotImplementedError("round is not supported for complex inputs")
    reject("round_vml_cpu", input, bools=True)
    if is_integral(input):
        if decimals:
            name = _dtype.scalar_name(dtype_of(input))
            raise NotImplementedError(f'"round_cpu" not implemented for {name!r}')
        return input
    x = wide(input)
    if decimals > 0:
        x = jnp.round(x * 10.0**decimals) / 10.0**decimals
    elif decimals < 0:
        x = jnp.round(x / 10.0**-decimals) * 10.0**-decimals
    else:
        x = jnp.round(x)
    return x.astype(input.dtype)


@op(*POINTWISE)
def frac(input: Array) -> Array:
    """The fraction of each element, with its sign."""
    if is_integral(input):
        name = _dtype.scalar_name(dtype_of(input))
        raise NotImplementedError(f'"frac_cpu" not implemented for {name!r}')
    return input - jnp.trunc(input)


@op("torch", returns="mantissa exponent")
def frexp(input: Array) -> tuple[Array, Array]:
    """Mantissa in [0.5, 1) and exponent with `input = mantissa * 2 ** exponent`."""
    if not dtype_of(input).is_floating_point:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    mantissa, exponent = jnp.frexp(wide(input))
    return mantissa.astype(input.dtype), exponent.astype(jnp.int32)


@op(*POINTWISE, "special")
def logit(input: Array, eps: float | None = None) -> Array:
    """`log(x / (1 - x))`.

    Args:
        eps: the input is held in [eps, 1 - eps] first.
    """
    x = float_input(input)
    z = wide(x)
    if eps is not None:
        z = jnp.clip(z, eps, 1 - eps)
    return jnp.log(z / (1 - z)).astype(x.dtype)


@op("torch", "method")
def angle(input: Array) -> Array:
    """The angle of each element in the complex plane; 0 or pi for real ones."""
    x = float_input(input)
    if not dtype_of(x).is_floating_point:
        return jnp.angle(x)
    return jnp.where(jnp.isnan(x), x, jnp.where(x < 0, math.pi, 0).astype(x.dtype))


def _parts(first: Array, second: Array) -> None:
    names = [_dtype.scalar_name(dtype_of(x)) for x in (first, second)]
    if not all(dtype_of(x).is_floating_point for x in (first, second)):
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{names[0]} and {names[1]}"
        )
    if names[0] != names[1]:
        raise RuntimeError(
            f"Expected object of scalar type {names[0]} but got scalar type {names[1]} "
            "for second argument"
        )


@op("torch", check=tensors_only("complex", "real", "imag"))
def complex(real: Array, imag: Array) -> Array:
    """Complex numbers of their real and imaginary parts."""
    _parts(real, imag)
    return lax.complex(*jnp.broadcast_arrays(wide(real), wide(imag)))


@op("torch", check=tensors_only("polar", "abs", "angle"))
def polar(abs: Array, angle: Array) -> Array:
    """Complex numbers of their magnitudes and angles (in radians)."""
    _parts(abs, angle)
    return lax.complex(*jnp.broadcast_arrays(abs * jnp.cos(angle), abs * jnp.sin(angle)))


@op("torch", "method", "inplace", name="conj_physical")
def conj_physical(input: Array) -> Array:
    """The complex conjugate."""
    return jnp.conj(input)


@op()
def conj(input: Array) -> Array:
    """The complex conjugate."""
    return jnp.conj(input)


@op()
def neg_view(input: Array) -> Array:
    """The numbers with the other sign."""
    return -input
