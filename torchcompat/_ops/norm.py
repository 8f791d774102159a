"""Normalisations: batch, instance, layer, group, root mean square and local response."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import float_input, wide
from torchcompat._ops._errors import require_kernel, sizes
from torchcompat._ops._registry import Array, op
from torchcompat._ops.norms import linalg_vector_norm

_HALF = ("float16", "bfloat16")


def _moments(x: Array, axes: Sequence[int]) -> tuple[Array, Array]:
    """Mean and biased variance over `axes`, which stay as dimensions of size 1."""
    mean = _mean(x, axes)
    return mean, _mean(jnp.square(x - mean), axes)


def _mean(x: Array, axes: Sequence[int]) -> Array:
    """The mean, inner dimensions first: partial sums keep float32 accurate on XLA's CPU path."""
    for axis in sorted(axes, reverse=True):
        x = jnp.mean(x, axis=axis, keepdims=True)
    return x


def _along(vector: Array, ndim: int) -> Array:
    """A vector of channels, laid along dimension 1 of `ndim` to broadcast."""
    return vector.reshape(-1, *(1,) * (ndim - 2)) if ndim > 1 else vector


def _affine(x: Array, weight: Array | None, bias: Array | None) -> Array:
    """`x * weight + bias` in the type of `x`; both already broadcast."""
    if weight is not None:
        x = x * weight.astype(x.dtype)
    return x if bias is None else x + bias.astype(x.dtype)


def _check_mixed(input: Array, *parameters: Array | None) -> None:
    """Parameters share the input's type, or are all float32 beside a half input."""
    kinds = {p.dtype for p in parameters if p is not None}
    if not kinds or kinds == {input.dtype}:
        return
    half = input.dtype.name in _HALF
    if kinds == {jnp.dtype("float32")} and half:
        return
    if half or input.dtype.name == "float32":
        raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


# -- batch ---------------------------------------------------------------------------------------


def _check_channels(input: Array, **given: Array | None) -> None:
    channels = input.shape[1] if input.ndim > 1 else 0
    for name, x in given.items():
        if x is not None and x.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {x.size}")


def _check_batch(input: Array, mean: Array | None, var: Array | None, weight, bias) -> None:
    _check_channels(input, running_mean=mean, running_var=var, weight=weight, bias=bias)
    require_kernel("batch_norm", input, "floating")
    _check_mixed(input, mean, var, weight, bias)


@op(grad="NativeBatchNormBackward0")
def batch_norm_eval(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Each channel shifted and scaled by given statistics."""
    for name, x in (("running_mean", running_mean), ("running_var", running_var)):
        if x is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    _check_batch(input, running_mean, running_var, weight, bias)
    x = wide(input)
    statistics = (_along(wide(s), input.ndim) for s in (running_mean, running_var))
    return _normalized(x, *statistics, weight, bias, eps).astype(input.dtype)  # type: ignore[call-arg]


@op(grad="NativeBatchNormBackward0")
def batch_norm_train(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    momentum: Array,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Each channel brought to mean 0 and variance 1; running statistics moved towards its own.

    Returns:
        The output, the new running mean and the new running (unbiased) variance; in place of a
        statistic that was not given, this batch's own.
    """
    _check_batch(input, running_mean, running_var, weight, bias)
    x = wide(input)
    axes = tuple(d for d in range(x.ndim) if d != 1)
    out, mean, var = _standardized(x, weight, bias, axes, eps)
    out = out.astype(input.dtype)
    channels = input.shape[1] if input.ndim > 1 else 0
    count = input.size // max(channels, 1)
    unbiased = var * (count / (count - 1)) if count > 1 else var
    if not count and running_mean is not None:
        return out, running_mean, running_var
    new_mean = _moved(running_mean, mean, momentum)
    return out, new_mean, _moved(running_var, unbiased, momentum)


def _normalized(x: Array, mean: Array, var: Array, weight, bias, eps: float) -> Array:
    weight, bias = (None if p is None else _along(p, x.ndim) for p in (weight, bias))
    return _affine((x - mean) * lax.rsqrt(var + eps), weight, bias)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _standardized(x: Array, weight, bias, axes: tuple[int, ...], eps: float) -> tuple:
    """`x` normalised by its own moments over `axes`, and the moments."""
    mean, var = _moments(x, axes)
    return _normalized(x, mean, var, weight, bias, eps), mean, var


@_standardized.defjvp
def _standardized_jvp(axes: tuple, eps: float, primals: tuple, tangents: tuple) -> tuple:
    """Scales act on means, not on what is averaged: a gradient takes two sums over `x`, no more.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015, section 3.
    """
    (x, weight, bias), (dx, dweight, dbias) = primals, tangents
    out, mean, var = _standardized(x, weight, bias, axes, eps)
    inverse = lax.rsqrt(var + eps)
    centred = (x - mean) * inverse
    dmean, along = _mean(dx, axes), _mean(centred * dx, axes)
    slope = inverse if weight is None else inverse * _along(weight.astype(x.dtype), x.ndim)
    dout = slope * dx - slope * dmean - centred * (slope * along)
    if dweight is not None:
        dout = dout + centred * _along(dweight.astype(x.dtype), x.ndim)
    if dbias is not None:
        dout = dout + _along(dbias.astype(x.dtype), x.ndim)
    return (out, mean, var), (dout, dmean, 2 * along / inverse)


def _moved(running: Array | None, now: Array, momentum: Array) -> Array:
    """The running statistic, a fraction `momentum` of the way towards this batch's."""
    now = lax.stop_gradient(now.reshape(-1))
    if running is None:
        return now
    now = now.astype(wide(running).dtype)
    momentum = jnp.asarray(momentum, now.dtype)
    return (lax.stop_gradient(running) * (1 - momentum) + now * momentum).astype(running.dtype)


@op(grad="NativeBatchNormBackward0")
def instance_norm_train(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    momentum: Array,
    eps: float,
) -> tuple[Array, Array, Array]:
    """As `batch_norm_train`, with each sample's own statistics; running ones move to their mean."""
    _check_instances(input, running_mean, running_var, weight, bias)
    x = wide(input)
    out, mean, var = _standardized(x, weight, bias, tuple(range(2, x.ndim)), eps)
    out = out.astype(input.dtype)
    count = math.prod(input.shape[2:])
    new_mean = _moved(running_mean, _mean(mean, (0,)), momentum)
    unbiased = _mean(var, (0,)) * (count / (count - 1))
    return out, new_mean, _moved(running_var, unbiased, momentum)


def _check_instances(input: Array, mean: Array | None, var: Array | None, weight, bias) -> None:
    """torch runs this as a batch norm over samples times channels, and counts elements there."""
    samples, channels = input.shape[:2]
    given = {"running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    for name, x in given.items():
        if x is not None and x.size != channels:
            raise RuntimeError(
                f"{name} should contain {samples * channels} elements not {samples * x.size}"
            )
    require_kernel("batch_norm", input, "floating")
    _check_mixed(input, mean, var, weight, bias)


# -- layer, group, root mean square --------------------------------------------------------------


def _check_normalized(input: Array, shape: Sequence[int], star: str, **given: Array | None) -> None:
    shape = list(shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            f"element, but got normalized_shape = {shape}"
        )
    for name, x in given.items():
        if x is not None and list(x.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{sizes(x)} and normalized_shape = {shape}"
            )
    if list(input.shape[-len(shape) :]) != shape:
        listed = ", ".join(map(str, shape))
        raise RuntimeError(
            f"Given normalized_shape={shape}, expected input with shape [*{star}{listed}], "
            f"but got input of size{sizes(input)}"
        )


@op("torch", "functional", grad="NativeLayerNormBackward0")
def layer_norm(
    input: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Mean 0 and variance 1 over the last dimensions, then `* weight + bias`.

    Shape:
        input `(*, *normalized_shape)`, weight and bias `normalized_shape`; output as input.
    """
    if isinstance(normalized_shape, int):
        raise TypeError(
            "layer_norm(): argument 'normalized_shape' (position 2) must be tuple of ints, not int"
        )
    _check_normalized(input, normalized_shape, ", ", weight=weight, bias=bias)
    require_kernel("LayerNormKernelImpl", input, "floating")
    _check_mixed(input, weight, bias)
    x = wide(input)
    mean, var = _moments(x, range(x.ndim - len(normalized_shape), x.ndim))
    return _affine((x - mean) * lax.rsqrt(var + eps), weight, bias).astype(input.dtype)


@op("torch", "functional", grad="NativeGroupNormBackward0")
def group_norm(
    input: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Mean 0 and variance 1 over each group of channels and all positions, then `* weight + bias`.

    Shape:
        input `(N, C, *)`, weight and bias `(C)`; output as input.
    """
    _check_groups(input, num_groups, weight=weight, bias=bias)
    require_kernel("GroupNormKernelImpl", input, "floating")
    _check_mixed(input, weight, bias)
    share = math.prod(input.shape[1:]) // num_groups
    x = wide(input).reshape(input.shape[0], num_groups, share)
    mean, var = _moments(x, (2,))
    x = ((x - mean) * lax.rsqrt(var + eps)).reshape(input.shape)
    weight, bias = (None if p is None else _along(p, x.ndim) for p in (weight, bias))
    return _affine(x, weight, bias).astype(input.dtype)


def _check_groups(input: Array, num_groups: int, **given: Array | None) -> None:
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    channels = input.shape[1]
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {sizes(input)} and num_groups={num_groups}"
        )
    for name, x in given.items():
        if x is not None and x.shape != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {sizes(x)} and input of shape {sizes(input)}"
            )


@op("torch", "functional")
def rms_norm(
    input: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    eps: float | None = None,
) -> Array:
    """`input / sqrt(mean(input^2) + eps) * weight` over the last dimensions.

    Args:
        eps: added to the mean square; None means the machine epsilon of the type computed in.
    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
    """
    _check_normalized(input, normalized_shape, "", weight=weight)
    require_kernel("rms_norm", input, "floating", "complex")
    x = wide(input)
    if eps is None:
        eps = float(jnp.finfo(x.dtype).eps)
    axes = range(x.ndim - len(normalized_shape), x.ndim)
    x = x * lax.rsqrt(_mean(jnp.square(x), axes) + eps)
    if weight is None:
        return x.astype(input.dtype)
    return (x * weight.astype(x.dtype)).astype(input.dtype)


# -- neighbours ----------------------------------------------------------------------------------


@op("functional")
def local_response_norm(
    input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Each channel divided by `(k + alpha * mean square of `size` channels around it) ** beta`.

    Shape:
        input `(N, C, *)`; output as input.
    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks".
    """
    if input.ndim < 3:
        raise ValueError(
            "Expected 3D or higher dimensionality                          "
            f"input (got {input.ndim} dimensions)"
        )
    if not input.size:
        return input
    channels = input.shape[1]
    x = wide(input)
    widths = [(0, 0)] * x.ndim
    widths[1] = (size // 2, (size - 1) // 2)
    squares = jnp.pad(jnp.square(x), widths)
    total = sum(lax.slice_in_dim(squares, i, i + channels, axis=1) for i in range(size))
    if jnp.issubdtype(input.dtype, jnp.integer):
        # torch's integer mean is rounded towards zero before it becomes a float.
        x, total = float_input(x), float_input(lax.div(total, jnp.asarray(size, total.dtype)))
        return x / (total * alpha + k) ** beta
    return (x / (total / size * alpha + k) ** beta).astype(input.dtype)


@op("functional", grad="DivBackward0")
def normalize(input: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    """`input / max(norm, eps)`, the p-norm taken along `dim`.

    Shape:
        input `(*)`; output as input.
    """
    size = linalg_vector_norm(input, p, dim, True)
    return input / jnp.maximum(size, jnp.asarray(eps, size.dtype))


@op()
def cross_map_lrn2d(input: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """As `local_response_norm`, with the windows of torch's legacy layer.

    They reach `(size - 1) // 2` channels either way; and the first channel, which the running sum
    of that layer never drops, counts in every window.
    """
    if input.ndim != 4:
        raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
    channels, reach = input.shape[1], (size - 1) // 2
    x = wide(input)
    squares = jnp.square(x)
    padded = jnp.pad(squares, ((0, 0), (reach, reach), (0, 0), (0, 0)))
    total = sum(lax.slice_in_dim(padded, i, i + channels, axis=1) for i in range(2 * reach + 1))
    beyond = (jnp.arange(channels) > reach).reshape(-1, 1, 1)
    total = total + jnp.where(beyond, squares[:, :1], 0)
    return (x * (total * (alpha / size) + k) ** -beta).astype(input.dtype)
