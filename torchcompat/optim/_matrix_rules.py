"""Update rules that look at a parameter as a matrix: Adafactor and Muon."""

from __future__ import annotations

import math
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat.optim._arithmetic import norm, over, plus, times, towards
from torchcompat.optim._rules import Array, Flags, State, _ahead, _signed


def _squared_mean(g: Array, axis: int) -> Array:
    lengths = norm(g, axis)
    return over(times(lengths, lengths), g.shape[axis])


def _factored(g: Array, s: State, share: Array, tiny: Array) -> tuple[Array, State]:
    """The second moment of a matrix, kept as one row and one column."""
    row = towards(s["row_var"], _squared_mean(g, -1), share)
    column = towards(s["col_var"], _squared_mean(g, -2), share)
    mean = jnp.mean(wide(row), -2, keepdims=True).astype(row.dtype)
    estimate = over(jnp.matmul(row, column), jnp.maximum(mean, tiny))
    return estimate, {"row_var": row, "col_var": column}


def adafactor(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Adafactor. Source: Shazeer and Stern, 2018; Zhai et al., 2021."""
    step, t = _ahead(s)
    g = _signed(g, on)
    eps1 = jnp.finfo(p.dtype).eps if h.eps1 is None else h.eps1
    tiny = jnp.asarray(eps1).astype(p.dtype)
    share = t**h.beta2_decay
    rate = jnp.minimum(h.lr, 1 / jnp.sqrt(t))
    magnitude = norm(p).astype(jnp.float64) / math.sqrt(p.size)
    alpha = jnp.maximum(h.eps2, magnitude) * rate
    if "weight_decay" in on:
        p = times(p, 1 - h.lr * h.weight_decay)
    if g.ndim > 1:
        estimate, new = _factored(g, s, share, tiny)
    else:
        estimate = towards(s["variance"], times(g, g), share)
        new = {"variance": estimate}
    floor = jnp.asarray(eps1, jnp.float64) ** 2
    held = jnp.maximum(estimate, floor.astype(estimate.dtype))
    update = times(jax.lax.rsqrt(wide(held)).astype(g.dtype), g)
    excess = norm(update).astype(jnp.float64) / (math.sqrt(update.size) * h.d)
    return plus(p, update, -alpha / jnp.maximum(1.0, excess)), {"step": step, **new}


def orthogonalized(g: Array, coefficients: tuple, steps: int, eps: Any) -> Array:
    """The nearest half-orthogonal matrix, by Newton-Schulz iterations in bfloat16."""
    a, b, c = coefficients
    x = g.astype(jnp.bfloat16)
    tall = g.shape[0] > g.shape[1]
    x = x.T if tall else x
    x = over(x, jnp.maximum(norm(x), jnp.asarray(eps).astype(x.dtype)))
    for _ in range(steps):
        gram = _combined(None, x, x.T, 0, 1)
        gram = _combined(gram, gram, gram, b, c)
        x = _combined(x, gram, x, a, 1)
    return x.T if tall else x


def _combined(added: Array | None, left: Array, right: Array, beta: Any, alpha: Any) -> Array:
    """`beta * added + alpha * left @ right`, accumulated in float32 and rounded once."""
    product = jnp.matmul(left, right, preferred_element_type=jnp.float32)
    total = product * jnp.asarray(alpha, jnp.float32)
    if added is not None:
        total = total + jnp.asarray(beta, jnp.float32) * added.astype(jnp.float32)
    return total.astype(left.dtype)


def _muon_rate(lr: Array, shape: tuple, on: Flags) -> Array:
    rows, columns = shape[:2]
    if "match_rms_adamw" in on:
        return lr * 0.2 * math.sqrt(max(rows, columns))
    return lr * math.sqrt(max(1, rows / columns))


def muon(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Momentum, orthogonalised. Source: Jordan et al., 2024; Liu et al., 2025."""
    buffer = towards(s["momentum_buffer"], g, 1 - h.momentum)
    update = towards(g, buffer, h.momentum) if "nesterov" in on else buffer
    steps = next(int(flag[6:]) for flag in on if flag.startswith("steps="))
    update = orthogonalized(update, (h.a, h.b, h.c), steps, h.eps)
    p = times(p, 1 - h.lr * h.weight_decay)
    rate = _muon_rate(h.lr, p.shape, on)
    return plus(p, update.astype(p.dtype), -rate), {"momentum_buffer": buffer}
