"""Losses that compare element with element. Each op returns the losses reduced as asked.

`reduction` is torch's word ("none", "mean", "sum") or the number that `torch.kl_div` and its like
take (0, 1, 2). Half types are computed in float32 and rounded once, at the end.
"""

from __future__ import annotations

import math

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import cast, dtype_of, float_input, floating_type, magnitude, wide
from torchcompat._ops._errors import require_kernel, scalar, sizes
from torchcompat._ops._pointwise import check_broadcast, is_integral, operands
from torchcompat._ops._registry import Array, op
from torchcompat._ops.activation import logsigmoid

# torch writes this floor in float32, in float64 too.
TINY = float(np.float32(1e-12))


def reduced(loss: jax.Array, reduction: str | int, to: Dtype) -> jax.Array:
    """The losses as they are, their mean or their sum, as type `to`.

    Raises:
        ValueError: `reduction` is none of torch's words or numbers.
        RuntimeError: the mean of integers is asked for.
    """
    if reduction in ("sum", 2):
        loss = jnp.sum(loss)
    elif reduction in ("mean", 1):
        if is_integral(loss):
            raise RuntimeError(
                "mean(): could not infer output dtype. Input dtype must be either a floating "
                f"point or complex dtype. Got: {scalar(loss)}"
            )
        loss = jnp.mean(loss)
    elif reduction not in ("none", 0):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return cast(loss, to)


def _weighted(
    loss: jax.Array, weight: jax.Array | None, reduction: str | int, to: Dtype
) -> jax.Array:
    """`reduced`, where a weight is given by it, and the mean is over the weights' sum."""
    if weight is None:
        return reduced(loss, reduction, to)
    if reduction == "mean":
        return cast(jnp.sum(loss * wide(weight)) / jnp.sum(wide(weight)), to)
    return reduced(loss * wide(weight), reduction, to)


def hinge(x: jax.Array) -> jax.Array:
    """`max(x, 0)` with torch's slope for `clamp_min`: 1 at 0."""
    return jnp.where(x < 0, 0, x)


@op()
def l1_loss(
    input: Array, target: Array, reduction: str | int = "mean", weight: Array | None = None
) -> Array:
    """`|input - target|`."""
    (x, y), to = operands(input, target)
    return _weighted(magnitude(x - y), weight, reduction, to.to_real())


@op()
def mse_loss(
    input: Array, target: Array, reduction: str | int = "mean", weight: Array | None = None
) -> Array:
    """`(input - target)^2`."""
    (x, y), to = operands(input, target)
    require_kernel("mse_cpu", x, "floating")
    return _weighted(jnp.square(x - y), weight, reduction, to)


@op()
def smooth_l1_loss(
    input: Array, target: Array, reduction: str | int = "mean", beta: float = 1.0
) -> Array:
    """`d^2 / (2 beta)` where `d = |input - target|` is below `beta`, else `d - beta / 2`."""
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction)
    (x, y), to = operands(input, target)
    require_kernel("smooth_l1_cpu", x, "floating")
    return reduced(_huber(jnp.abs(x - y), beta) / beta, reduction, to)


@op()
def huber_loss(
    input: Array,
    target: Array,
    reduction: str | int = "mean",
    delta: float = 1.0,
    weight: Array | None = None,
) -> Array:
    """`(input - target)^2 / 2` up to `delta`, and from there on the line that continues it."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    (x, y), _ = operands(input, target)
    require_kernel("huber_cpu", x, "floating")
    loss = _huber(jnp.abs(x - y), delta)
    if weight is not None:
        loss = loss * wide(weight)
    return reduced(loss, reduction, dtype_of(input))


def _huber(distance: jax.Array, bend: float) -> jax.Array:
    line = bend * (distance - 0.5 * bend)
    return jnp.where(distance < bend, 0.5 * distance * distance, line)


@op()
def binary_cross_entropy(
    input: Array, target: Array, weight: Array | None = None, reduction: str | int = "mean"
) -> Array:
    """`-(target * log(input) + (1 - target) * log(1 - input))`, logarithms no lower than -100."""
    require_kernel("binary_cross_entropy", input, "floating")
    to = dtype_of(input)
    if dtype_of(target) is not to:
        raise RuntimeError(f"Found dtype {scalar(target)} but expected {scalar(input)}")
    loss = _bernoulli(wide(input), wide(target))
    if weight is not None:
        check_broadcast(target, weight)
        loss = loss * wide(weight)
    return reduced(loss, reduction, to)


@jax.custom_jvp
def _bernoulli(x: jax.Array, y: jax.Array) -> jax.Array:
    return (y - 1) * jnp.maximum(jnp.log1p(-x), -100) - y * jnp.maximum(jnp.log(x), -100)


@_bernoulli.defjvp
def _bernoulli_jvp(primals: tuple, tangents: tuple) -> tuple:
    # torch's slope: the exact one with a floor under the denominator, so that it stays finite.
    (x, y), (dx, dy) = primals, tangents
    slope_x = (x - y) / jnp.maximum((1 - x) * x, TINY)
    slope_y = jnp.maximum(jnp.log1p(-x), -100) - jnp.maximum(jnp.log(x), -100)
    return _bernoulli(x, y), slope_x * dx + slope_y * dy


@op("torch")
def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    pos_weight: Array | None = None,
    reduction: str | int = "mean",
) -> Array:
    """`binary_cross_entropy(sigmoid(input), target)` without overflow.

    Args:
        pos_weight: factor of the term of positive targets.
    """
    require_kernel("log_sigmoid_cpu", input, "floating")
    to = dtype_of(target)
    if not to.is_floating_point:
        raise RuntimeError(
            f"result type {scalar(input)} can't be cast to the desired output type {scalar(target)}"
        )
    check_broadcast(input, target, weight, pos_weight)
    x, y = wide(input), wide(target)
    slope = 1 if pos_weight is None else (wide(pos_weight) - 1) * y + 1
    loss = (1 - y) * x - slope * logsigmoid(x)
    if weight is not None:
        loss = loss * wide(weight)
    if loss.ndim > target.ndim:
        raise RuntimeError(
            f"output with shape {sizes(target)} doesn't match the broadcast shape {sizes(loss)}"
        )
    return reduced(loss, reduction, to)


@op("torch")
def kl_div(
    input: Array, target: Array, reduction: str | int = "mean", *, log_target: bool = False
) -> Array:
    """`target * (log(target) - input)`, `input` being a logarithm already.

    Args:
        reduction: also "batchmean", the sum divided by the batch size.
        log_target: `target` is a logarithm too.
    """
    if is_integral(input) or is_integral(target):
        raise RuntimeError("kl_div: Integral inputs not supported.")
    (x, y), to = operands(input, target)
    loss = jnp.exp(y) * (y - x) if log_target else _x_log_x(y) - y * x
    if reduction == "batchmean":
        return cast(jnp.sum(loss) / (input.shape[0] if input.ndim else 1), to)
    return reduced(loss, reduction, to)


def _x_log_x(x: jax.Array) -> jax.Array:
    zero = x == 0
    return jnp.where(zero, 0, x * jnp.log(jnp.where(zero, 1, x)))


@op("torch")
def poisson_nll_loss(
    input: Array,
    target: Array,
    log_input: bool,
    full: bool,
    eps: float,
    reduction: str | int,
) -> Array:
    """`exp(input) - target * input`, or with `log_input` false `input - target * log(input + eps)`.

    Args:
        full: add Stirling's approximation of `log(target!)` where `target > 1`.
    """
    (y, x), to = operands(target, input, floating=True)
    loss = jnp.exp(x) - y * x if log_input else x - y * jnp.log(x + eps)
    if full:
        # As in torch, the gradient of a target that is not positive is NaN.
        stirling = y * jnp.log(y) - y + 0.5 * jnp.log(2 * math.pi * y)
        loss = loss + jnp.where(y > 1, stirling, 0)
    return reduced(loss, reduction, to)


@op()
def gaussian_nll_loss(
    input: Array, target: Array, var: Array, full: bool, eps: float, reduction: str | int
) -> Array:
    """`(log(var) + (input - target)^2 / var) / 2`, `var` no lower than `eps`.

    Args:
        full: add the constant `log(2 pi) / 2`.
    """
    (x, y, v), to = operands(input, target, var, floating=True)
    # The floor is invisible to the gradient, as in torch.
    v = v + jax.lax.stop_gradient(jnp.maximum(v, eps) - v)
    loss = 0.5 * (jnp.log(v) + jnp.square(x - y) / v)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction, to)


@op()
def soft_margin_loss(input: Array, target: Array, reduction: str | int = "mean") -> Array:
    """`log(1 + exp(-target * input))`."""
    check_broadcast(input, target)
    if not dtype_of(input).is_floating_point:
        name = _dtype.scalar_name(_dtype.get_default_dtype())
        raise RuntimeError(
            f"result type {name} can't be cast to the desired output type {scalar(input)}"
        )
    x = wide(input)
    return reduced(jnp.log1p(jnp.exp(-x * cast(target, dtype_of(x)))), reduction, dtype_of(input))


@op("torch")
def hinge_embedding_loss(
    input: Array, target: Array, margin: float = 1.0, reduction: str | int = "mean"
) -> Array:
    """`input` where `target` is 1, `max(0, margin - input)` where it is -1."""
    check_broadcast(target, input)
    x = wide(input)
    apart = jnp.where(target != 1, cast(hinge(margin - x), dtype_of(x)), 0)
    return reduced(apart + jnp.where(target != -1, x, 0), reduction, dtype_of(input))


@op("torch")
def margin_ranking_loss(
    input1: Array, input2: Array, target: Array, margin: float = 0.0, reduction: str | int = "mean"
) -> Array:
    """`max(0, -target * (input1 - input2) + margin)`."""
    (a, b, y), kind = operands(input1, input2, target)
    apart = float_input(-y * (a - b))  # the product of integers is one, and wraps
    return reduced(hinge(apart + margin), reduction, floating_type(kind))
