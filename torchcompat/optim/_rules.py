"""The update rules: each a pure function of one parameter, its gradient and its state.

`rule(p, g, s, h, on) -> (p, s)`: `s` and the state returned are dictionaries of arrays, `h` has the
hyper-parameters as float64 scalars, `on` is the set of flags (and of numbers other than zero).
Scalars are computed in float64, as torch computes them in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat.optim._arithmetic import (
    divided,
    over,
    plus,
    plus_product,
    plus_quotient,
    plus_scalar,
    root,
    times,
    towards,
)

Array = jax.Array
State = dict[str, Array]
Flags = Collection[str]
Rule = Callable[[Array, Array, State, Any, Flags], tuple[Array, State]]


def _ahead(s: State) -> tuple[Array, Array]:
    """The next step's number, as it is stored and in float64."""
    step = s["step"] + jnp.ones((), s["step"].dtype)
    return step, step.astype(jnp.float64)


def _signed(g: Array, on: Flags) -> Array:
    return -g if "maximize" in on else g


def _decayed(p: Array, g: Array, h: Any, on: Flags) -> Array:
    """The gradient, its sign turned for `maximize`, with the L2 penalty's gradient added."""
    g = _signed(g, on)
    return plus(g, p, h.weight_decay) if "weight_decay" in on else g


def _weight_decay(p: Array, g: Array, h: Any, on: Flags) -> tuple[Array, Array]:
    """Parameter and gradient after weight decay of either kind."""
    if "decoupled_weight_decay" not in on:
        return p, _decayed(p, g, h, on)
    if "weight_decay" in on:
        p = times(p, 1 - h.lr * h.weight_decay)
    return p, _signed(g, on)


def _moments(g: Array, s: State, h: Any) -> tuple[Array, Array]:
    """The running averages of the gradient and of its square."""
    mean = towards(s["exp_avg"], g, 1 - h.beta1)
    square = plus_product(times(s["exp_avg_sq"], h.beta2), g, g, 1 - h.beta2)
    return mean, square


def sgd(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Stochastic gradient descent with momentum. Source: Sutskever et al., 2013."""
    g = _decayed(p, g, h, on)
    if "momentum" not in on:
        return plus(p, g, -h.lr), s
    held = s.get("momentum_buffer")
    if held is None:
        buffer = jax.lax.stop_gradient(g)  # the first buffer has no history in torch either
    else:
        buffer = plus(times(held, h.momentum), g, 1 - h.dampening)
    g = plus(g, buffer, h.momentum) if "nesterov" in on else buffer
    return plus(p, g, -h.lr), {"momentum_buffer": buffer}


def adam(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Adam, AdamW and AMSGrad. Source: Kingma and Ba, 2014; Loshchilov and Hutter, 2017."""
    step, t = _ahead(s)
    p, g = _weight_decay(p, g, h, on)
    mean, square = _moments(g, s, h)
    new = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
    largest = square
    if "amsgrad" in on:
        largest = new["max_exp_avg_sq"] = jnp.maximum(s["max_exp_avg_sq"], square)
    size = h.lr / (1 - h.beta1**t)
    scale = plus_scalar(over(root(largest), jnp.sqrt(1 - h.beta2**t)), h.eps)
    return plus_quotient(p, mean, scale, -size), new


def adamax(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Adam under the infinity norm. Source: Kingma and Ba, 2014."""
    step, t = _ahead(s)
    g = _decayed(p, g, h, on)
    mean = towards(s["exp_avg"], g, 1 - h.beta1)
    largest = jnp.maximum(times(s["exp_inf"], h.beta2), plus_scalar(jnp.abs(g), h.eps))
    p = plus_quotient(p, mean, largest, -h.lr / (1 - h.beta1**t))
    return p, {"step": step, "exp_avg": mean, "exp_inf": largest}


def nadam(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Adam with Nesterov momentum. Source: Dozat, 2016."""
    step, t = _ahead(s)
    p, g = _weight_decay(p, g, h, on)

    def mu_at(t: Array) -> Array:
        return h.beta1 * (1 - 0.5 * 0.96 ** (t * h.momentum_decay))

    mu, mu_next = mu_at(t), mu_at(t + 1)
    product = times(s["mu_product"], mu)
    mean, square = _moments(g, s, h)
    scale = plus_scalar(root(over(square, 1 - h.beta2**t)), h.eps)
    so_far = product.astype(jnp.float64)
    p = plus_quotient(p, g, scale, -h.lr * (1 - mu) / (1 - so_far))
    p = plus_quotient(p, mean, scale, -h.lr * mu_next / (1 - so_far * mu_next))
    return p, {"step": step, "exp_avg": mean, "exp_avg_sq": square, "mu_product": product}


def radam(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Adam with a rectified variance. Source: Liu et al., 2019."""
    step, t = _ahead(s)
    p, g = _weight_decay(p, g, h, on)
    mean, square = _moments(g, s, h)
    unbiased = over(mean, 1 - h.beta1**t)
    correction = 1 - h.beta2**t
    limit = 2 / (1 - h.beta2) - 1
    length = limit - 2 * t * h.beta2**t / correction
    # Where the variance is not tractable yet, the rectification is not used: keep its root real.
    real = jnp.maximum(length, 5)
    rectified = jnp.sqrt((real - 4) * (real - 2) * limit / ((limit - 4) * (limit - 2) * real))
    plain = times(unbiased, h.lr)
    adaptive = divided(jnp.sqrt(correction), plus_scalar(root(square), h.eps))
    full = times(times(plain, adaptive), rectified)
    p = plus(p, jnp.where(length > 5, full, plain), -1)
    return p, {"step": step, "exp_avg": mean, "exp_avg_sq": square}


def adagrad(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Adagrad. Source: Duchi, Hazan and Singer, 2011."""
    step, t = _ahead(s)
    g = _decayed(p, g, h, on)
    total = plus_product(s["sum"], g, g)
    rate = h.lr / (1 + (t - 1) * h.lr_decay)
    p = plus_quotient(p, g, plus_scalar(root(total), h.eps), -rate)
    return p, {"step": step, "sum": total}


def adadelta(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Adadelta. Source: Zeiler, 2012."""
    step, _ = _ahead(s)
    g = _decayed(p, g, h, on)
    square = plus_product(times(s["square_avg"], h.rho), g, g, 1 - h.rho)
    spread = root(plus_scalar(square, h.eps))
    delta = times(over(root(plus_scalar(s["acc_delta"], h.eps)), spread), g)
    moved = plus_product(times(s["acc_delta"], h.rho), delta, delta, 1 - h.rho)
    return plus(p, delta, -h.lr), {"step": step, "square_avg": square, "acc_delta": moved}


def rmsprop(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """RMSprop, plain or centred. Source: Hinton's lecture 6e; Graves, 2013."""
    step, _ = _ahead(s)
    g = _decayed(p, g, h, on)
    square = plus_product(times(s["square_avg"], h.alpha), g, g, 1 - h.alpha)
    new = {"step": step, "square_avg": square}
    spread = square
    if "centered" in on:
        mean = new["grad_avg"] = towards(s["grad_avg"], g, 1 - h.alpha)
        spread = plus_product(square, mean, mean, -1)
    spread = plus_scalar(root(spread), h.eps)
    if "momentum" not in on:
        return plus_quotient(p, g, spread, -h.lr), new
    buffer = plus_quotient(times(s["momentum_buffer"], h.momentum), g, spread)
    new["momentum_buffer"] = buffer
    return plus(p, buffer, -h.lr), new


def rprop(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Resilient backpropagation. Source: Riedmiller and Braun, 1993."""
    step, _ = _ahead(s)
    g = _signed(g, on)
    agreement = g * s["prev"]
    factor = jnp.where(agreement > 0, h.etaplus, jnp.where(agreement < 0, h.etaminus, 1.0))
    size = times(s["step_size"], factor.astype(g.dtype))
    low, high = (x.astype(g.dtype) for x in (h.step_size_min, h.step_size_max))
    size = jnp.clip(size, low, high)
    g = jnp.where(agreement < 0, jnp.zeros_like(g), g)
    p = plus_product(p, jnp.sign(g), size, -1)
    return p, {"step": step, "prev": g, "step_size": size}


def asgd(p: Array, g: Array, s: State, h: Any, on: Flags) -> tuple[Array, State]:
    """Averaged stochastic gradient descent. Source: Polyak and Juditsky, 1992."""
    step, t = _ahead(s)
    g = _decayed(p, g, h, on)
    rate, share = s["eta"].astype(jnp.float64), s["mu"].astype(jnp.float64)
    p = plus(times(p, 1 - h.lambd * rate), g, -rate)
    mean = plus(s["ax"], times(plus(p, s["ax"], -1), share))
    mean = jnp.where(share == 1, p, mean)
    eta = h.lr / (1 + h.lambd * h.lr * t) ** h.alpha
    mu = 1 / jnp.maximum(1, t - h.t0)
    return p, {
        "step": step,
        "eta": eta.astype(s["eta"].dtype),
        "mu": mu.astype(s["mu"].dtype),
        "ax": mean,
    }
