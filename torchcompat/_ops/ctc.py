"""Connectionist temporal classification. Source: Graves et al., ICML 2006."""

from __future__ import annotations

import functools

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import cast, dtype_of
from torchcompat._ops._errors import not_implemented
from torchcompat._ops._registry import Array, op
from torchcompat._ops.loss import reduced

# Stands for log(0): sums of it stay finite, and so do their slopes.
_NEVER = -1e30


@op("torch")
def ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int = 0,
    reduction: str | int = "mean",
    zero_infinity: bool = False,
) -> Array:
    """`-log` of the summed probability of all alignments of each target with its input.

    The slope is torch's: that of `log_softmax` before it is folded in, which makes no difference to
    what comes before the `log_softmax`.

    Shape:
        log_probs `(T, N, C)`, targets `(N, S)`, lengths `(N)`.
    """
    if dtype_of(log_probs) not in (_dtype.float32, _dtype.float64):
        raise not_implemented("ctc_loss_cpu", log_probs)
    targets = cast(targets, _dtype.int64)
    loss = _loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
    if reduction in ("mean", 1):
        loss = loss / jnp.maximum(target_lengths, 1).astype(loss.dtype)
    return reduced(loss, reduction, dtype_of(log_probs))


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    return _forward(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)[0]


def _forward(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    def negated(lp):
        return -_log_likelihood(lp, targets, input_lengths, target_lengths, blank)

    loss, pull = jax.vjp(negated, log_probs)
    (slope,) = pull(jnp.ones_like(loss))
    impossible = loss > -_NEVER / 2
    heard = jnp.arange(log_probs.shape[0])[:, None] < input_lengths
    slope = slope + jnp.exp(log_probs)
    slope = jnp.where(impossible[:, None], 0 if zero_infinity else jnp.nan, slope)
    slope = jnp.where(heard[:, :, None], slope, 0)
    loss = jnp.where(impossible, 0 if zero_infinity else jnp.inf, loss)
    return loss, cast(slope, dtype_of(log_probs))


def _backward(blank, zero_infinity, slope, outer):
    return outer[:, None] * slope, None, None, None


_loss.defvjp(_forward, _backward)


def _log_likelihood(
    log_probs: jax.Array,
    targets: jax.Array,
    input_lengths: jax.Array,
    target_lengths: jax.Array,
    blank: int,
) -> jax.Array:
    """The forward algorithm over the target with blanks before, between and after its labels."""
    steps, batch, _ = log_probs.shape
    labels = jnp.full((batch, 2 * targets.shape[1] + 1), blank, targets.dtype)
    labels = labels.at[:, 1::2].set(targets)
    skips = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    emitted = jnp.take_along_axis(
        log_probs, jnp.broadcast_to(labels, (steps, *labels.shape)), axis=2, mode="clip"
    )
    start = jnp.where(jnp.arange(labels.shape[1]) < 2, emitted[0], _NEVER)

    def step(alpha: jax.Array, now: tuple) -> tuple:
        time, heard = now
        one = jnp.pad(alpha[:, :-1], ((0, 0), (1, 0)), constant_values=_NEVER)
        two = jnp.where(skips, alpha[:, :-2], _NEVER)
        two = jnp.pad(two, ((0, 0), (2, 0)), constant_values=_NEVER)[:, : alpha.shape[1]]
        moved = jnp.logaddexp(jnp.logaddexp(alpha, one), two) + heard
        return jnp.where((time < input_lengths)[:, None], moved, alpha), None

    alpha, _ = lax.scan(step, start, (jnp.arange(1, steps), emitted[1:]))
    ends = 2 * target_lengths[:, None] + jnp.array([0, -1])
    last = jnp.take_along_axis(alpha, jnp.maximum(ends, 0), axis=1)
    total = jax.nn.logsumexp(jnp.where(ends < 0, _NEVER, last), axis=1)
    # Nothing heard is certain to say nothing.
    return jnp.where(input_lengths > 0, total, jnp.where(target_lengths > 0, _NEVER, 0))
