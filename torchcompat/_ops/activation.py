"""Activations. Each is its published formula, with torch's value and slope at every kink.

Half types are computed in float32 and rounded once. A kink is written with `where`, never with
`maximum`, whose slope JAX splits evenly between equal arguments.
"""

from __future__ import annotations

import math

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import cast, dtype_of, tanh, wide, wrap_dim
from torchcompat._ops._errors import not_implemented, require_kernel
from torchcompat._ops._registry import Array, op

# Source: Klambauer et al., Self-Normalizing Neural Networks, 2017.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _like(result: jax.Array, input: jax.Array) -> jax.Array:
    """`result` rounded to the type of `input`, never weakly typed."""
    return cast(result, dtype_of(input))


def floating(input: jax.Array, kernel: str) -> jax.Array:
    """`input` in the type that torch's `kernel` computes in: half types as float32.

    Raises:
        NotImplementedError: `input` is no floating-point array.
    """
    require_kernel(kernel, input, "floating")
    return wide(input)


def _refuse_complex(input: jax.Array) -> None:
    if dtype_of(input).is_complex:
        raise NotImplementedError("clamp is not supported for complex types")


@op("torch", "method", "inplace", "functional")
def relu(input: Array) -> Array:
    """`max(input, 0)`; the slope at 0 is 0."""
    if dtype_of(input) is _dtype.bool_:
        raise RuntimeError("Boolean inputs not supported for relu")
    _refuse_complex(input)
    return _like(jnp.where(input <= 0, 0, input), input)


@op("functional", "inplace")
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """`input` clamped to `[min_val, max_val]`; the slope at both ends is 0."""
    kind = dtype_of(input)
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if kind is _dtype.bool_:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if not kind.is_signed and not kind.is_complex and min_val < 0:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    _refuse_complex(input)
    low, high = (np.asarray(v).astype(kind.numpy) for v in (min_val, max_val))
    return _like(jnp.where(input <= low, low, jnp.where(input >= high, high, input)), input)


@op("functional", "inplace")
def relu6(input: Array) -> Array:
    """`min(max(input, 0), 6)`."""
    return hardtanh(input, 0.0, 6.0)


@op("torch", "functional", "inplace")
def threshold(input: Array, threshold: float, value: float) -> Array:
    """`input` where it exceeds `threshold`, else `value`."""
    x = wide(input)
    limit, value = (np.asarray(v).astype(x.dtype) for v in (threshold, value))
    return _like(jnp.where(x <= limit, value, x), input)


@op("functional", "inplace")
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """`input` where positive, else `negative_slope * input`."""
    x = floating(input, "leaky_relu_cpu")
    return _like(jnp.where(x > 0, x, x * negative_slope), input)


def _elu(input: jax.Array, alpha: float, scale: float, input_scale: float) -> jax.Array:
    x = floating(input, "elu_cpu")
    negative = x <= 0
    decay = jnp.expm1(jnp.where(negative, x, 0) * input_scale)
    return _like(jnp.where(negative, decay * (alpha * scale), x * scale), input)


@op("functional", "inplace")
def elu(input: Array, alpha: float = 1.0) -> Array:
    """`input` where positive, else `alpha * (exp(input) - 1)`; the slope at 0 is `alpha`."""
    return _elu(input, alpha, 1.0, 1.0)


@op("torch", "functional", "inplace")
def celu(input: Array, alpha: float = 1.0) -> Array:
    """`max(0, input) + min(0, alpha * (exp(input / alpha) - 1))`."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _elu(input, alpha, 1.0, 1.0 / alpha)


@op("torch", "functional", "inplace")
def selu(input: Array) -> Array:
    """`scale * elu(input, alpha)` with the constants that keep mean 0 and variance 1."""
    return _elu(input, SELU_ALPHA, SELU_SCALE, 1.0)


@op("functional")
def gelu(input: Array, *, approximate: str = "none") -> Array:
    """`input * Phi(input)`, Phi the normal distribution function.

    Args:
        approximate: "none", or "tanh" for
            `0.5 * input * (1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input^3)))`.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    x = floating(input, "GeluKernelImpl")
    if approximate == "none":
        inner = jax.lax.erf(x * math.sqrt(0.5))
    else:
        inner = tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x)))
    return _like(0.5 * x * (1 + inner), input)


@op("functional", "inplace")
def silu(input: Array) -> Array:
    """`input * sigmoid(input)`."""
    complex_input = dtype_of(input).is_complex
    x = input if complex_input else floating(input, "silu_cpu")
    return _like(x * jax.lax.logistic(x), input)


@op("functional", "inplace")
def mish(input: Array) -> Array:
    """`input * tanh(softplus(input))`."""
    x = floating(input, "mish_cpu")
    return _like(x * tanh(jnp.logaddexp(x, 0)), input)


@op("functional")
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """`log(1 + exp(beta * input)) / beta`; `input` itself where `beta * input > threshold`."""
    x = floating(input, "softplus_cpu")
    linear = x * beta > threshold
    curved = jnp.log1p(jnp.exp(jnp.where(linear, 0, x) * beta)) / beta
    return _like(jnp.where(linear, x, curved), input)


@op("functional")
def softsign(input: Array) -> Array:
    """`input / (1 + |input|)`."""
    kind = dtype_of(input)
    if kind is _dtype.bool_:
        raise not_implemented("abs_cpu", input)
    to = kind if kind.is_floating_point or kind.is_complex else _dtype.get_default_dtype()
    x = wide(cast(input, to))
    return cast(x / (jnp.abs(x) + 1), to)


@op("functional")
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """`input` moved towards 0 by `lambd`, and 0 within `[-lambd, lambd]`."""
    x = floating(input, "softshrink_check")
    largest = float(jnp.finfo(input.dtype).max)
    if not 0 <= lambd <= largest:
        name = _dtype.scalar_name(dtype_of(input))
        raise RuntimeError(
            f"lambda must be in range [0, {largest:g}] for input dtype {name}, but found {lambd:g}"
        )
    moved = jnp.where(x > 0, x - lambd, x + lambd)
    return _like(jnp.where((x >= -lambd) & (x <= lambd), 0, moved), input)


@op("torch", "method", "functional")
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """`input`, and 0 within `[-lambd, lambd]`."""
    x = floating(input, "hardshrink_cpu")
    return _like(jnp.where((x >= -lambd) & (x <= lambd), 0, x), input)


@op("functional", "inplace")
def hardsigmoid(input: Array) -> Array:
    """`relu6(input + 3) / 6`."""
    x = hardtanh(floating(input, "hardsigmoid_cpu") + 3, 0.0, 6.0)
    # torch's slope is 1/6 rounded to float32, in float64 too.
    sloped = x * float(np.float32(1 / 6))
    return _like(sloped + jax.lax.stop_gradient(x / 6 - sloped), input)


@op("functional", "inplace")
def hardswish(input: Array) -> Array:
    """`input * relu6(input + 3) / 6`; the slope is 0 at -3 and 1 at 3."""
    x = floating(input, "hardswish_cpu")
    inner = jnp.where(x <= -3, 0, x * (x + 3) / 6)
    return _like(jnp.where(x >= 3, x, inner), input)


@op("functional")
def logsigmoid(input: Array) -> Array:
    """`log(sigmoid(input))`, without overflow."""
    x = floating(input, "log_sigmoid_cpu")
    below = x < 0
    tail = jnp.log1p(jnp.exp(jnp.where(below, x, -x)))
    return _like(jnp.where(below, x, 0) - tail, input)


@op("functional")
def tanhshrink(input: Array) -> Array:
    """`input - tanh(input)`."""
    kind = dtype_of(input)
    if kind is _dtype.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )
    to = kind if kind.is_floating_point or kind.is_complex else _dtype.get_default_dtype()
    x = wide(cast(input, to))
    return cast(x - cast(tanh(x), to), to)


@op("functional")
def glu(input: Array, dim: int = -1) -> Array:
    """`a * sigmoid(b)`, a and b the halves of `input` along `dim`."""
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    dim = wrap_dim(dim, input.ndim)
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    a, b = jnp.split(floating(input, "glu_cpu"), 2, axis=dim)
    return _like(a * jax.lax.logistic(b), input)


@op("torch", "method", "functional", grad="PreluKernelBackward0")
def prelu(input: Array, weight: Array) -> Array:
    """`input` where positive, else `weight * input`; one weight for all or one a channel."""
    kinds = [dtype_of(one) for one in (input, weight)]
    if kinds[0] is not kinds[1]:
        names = " and ".join(map(_dtype.scalar_name, kinds))
        raise RuntimeError(f"prelu: Type promoting not supported. Got {names}")
    _check_prelu(input, weight)
    x, slope = (floating(one, "prelu_cpu") for one in (input, weight))
    slope = slope.reshape(
        [-1 if d == 1 else 1 for d in range(input.ndim)] if slope.size > 1 else []
    )
    return _like(jnp.where(x > 0, x, slope * x), input)


def _check_prelu(input: jax.Array, weight: jax.Array) -> None:
    if weight.size != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.size:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. "
                f"Found parameter numbers = {weight.size} and channel size = {channels}."
            )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )


@op(grad="RreluWithNoiseBackward0")
def rrelu_with_noise(input: Array, noise: Array) -> Array:
    """`input` where positive, else `noise * input`: what `rrelu` does once its slopes are drawn."""
    x = floating(input, "rrelu_with_noise_out_cpu")
    return _like(jnp.where(x > 0, x, x * wide(noise)), input)


def _softmax_input(name: str, input: jax.Array, dim: int, dtype: Dtype | None) -> tuple:
    """The input in the type of the sum, the dimension, and the type of the result."""
    dim = wrap_dim(dim, input.ndim)
    result = dtype_of(input) if dtype is None else dtype
    inner = "_lastdim" if dim >= input.ndim - 1 else ""
    return floating(cast(input, result), f"{name}{inner}_kernel_impl"), dim, result


@op("torch", "method", "special")
def softmax(input: Array, dim: int, dtype: Dtype | None = None) -> Array:
    """`exp(input) / sum(exp(input))` along `dim`, converted to `dtype` beforehand."""
    x, dim, result = _softmax_input("softmax", input, dim, dtype)
    return cast(jax.nn.softmax(x, axis=dim if x.ndim else None), result)


@op("torch", "method", "special")
def log_softmax(input: Array, dim: int, dtype: Dtype | None = None) -> Array:
    """`log(softmax(input))` along `dim`, without overflow, converted to `dtype` beforehand."""
    x, dim, result = _softmax_input("log_softmax", input, dim, dtype)
    return cast(jax.nn.log_softmax(x, axis=dim if x.ndim else None), result)


@op()
def gumbel_softmax(logits: Array, noise: Array, tau: float, hard: bool, dim: int) -> Array:
    """Softmax of `(logits - log(noise)) / tau`, `noise` being exponential; one-hot if `hard`."""
    dim = wrap_dim(dim, logits.ndim)
    x = floating(logits, "softmax_kernel_impl")
    soft = jax.nn.softmax((x - jnp.log(wide(noise))) / tau, axis=dim if x.ndim else None)
    if hard:
        # The gradient passes straight through to the softmax.
        best = jnp.argmax(soft, axis=dim, keepdims=True) if x.ndim else 0
        places = jax.lax.broadcasted_iota(jnp.int64, x.shape, dim) if x.ndim else 0
        soft = (places == best) - jax.lax.stop_gradient(soft) + soft
    return _like(soft, logits)
