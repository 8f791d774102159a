"""Convolutions that XLA's CPU backend has no fast form for, against torch in the same run.

    python benchmarks/convolutions.py

Each line gives our compiled time over torch's eager time, forward and with the gradients of input
and weight, and the same for `lax.conv_general_dilated` as it is. Lower is better.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import numpy as np
import torch
from jax import lax

from torchcompat.nn import functional

# title, input, weight, arguments, transposed
CASES: tuple = (
    ("depthwise 7x7", (4, 96, 56, 56), (96, 1, 7, 7), {"padding": 3, "groups": 96}, False),
    ("depthwise 3x3 / 2", (4, 96, 56, 56), (96, 1, 3, 3), {"stride": 2, "groups": 96}, False),
    ("32 groups 3x3", (4, 128, 28, 28), (128, 4, 3, 3), {"padding": 1, "groups": 32}, False),
    ("3 groups 1x1", (4, 120, 28, 28), (120, 40, 1, 1), {"groups": 3}, False),
    ("transposed 4x4 / 2", (4, 64, 28, 28), (64, 32, 4, 4), {"stride": 2, "padding": 1}, True),
    ("transposed 2x2 / 2", (2, 128, 28, 28), (128, 64, 2, 2), {"stride": 2}, True),
)


def fastest(*calls: Callable, rounds: int = 7) -> list[float]:
    """The least time of each call, in seconds; they take turns, so that a busy machine slows all."""
    best = [float("inf")] * len(calls)
    for call in calls:
        call()
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def with_gradients(function: Callable) -> Callable:
    return jax.jit(jax.value_and_grad(lambda x, w: (function(x, w) ** 2).sum(), (0, 1)))


def native(weight_shape: tuple, how: dict, transposed: bool) -> Callable:
    """XLA's own convolution of the same numbers."""
    groups, stride, pad = (how.get(k, d) for k, d in (("groups", 1), ("stride", 1), ("padding", 0)))
    kernel = weight_shape[2:]

    def plain(x: jax.Array, w: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x, w, (stride,) * 2, [(pad, pad)] * 2, feature_group_count=groups
        )

    def turned(x: jax.Array, w: jax.Array) -> jax.Array:
        around = [(k - 1 - pad, k - 1 - pad) for k in kernel]
        kernel_of = lax.rev(w.swapaxes(0, 1), (2, 3))
        return lax.conv_general_dilated(x, kernel_of, (1, 1), around, lhs_dilation=(stride,) * 2)

    return turned if transposed else plain


def measure(title: str, size: tuple, weight_shape: tuple, how: dict, transposed: bool) -> None:
    name = "conv_transpose2d" if transposed else "conv2d"
    x, w = torch.randn(size), torch.randn(weight_shape)
    leaves = x.clone().requires_grad_(), w.clone().requires_grad_()
    reference = getattr(torch.nn.functional, name)

    def theirs() -> None:
        torch.autograd.grad((reference(*leaves, **how) ** 2).sum(), leaves)

    arrays = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(w.numpy())
    forms = [
        lambda x, w: getattr(functional, name)(x, w, **how),
        native(weight_shape, how, transposed),
    ]
    calls = [jax.jit(f) for f in forms], [with_gradients(f) for f in forms]
    np.testing.assert_allclose(calls[0][0](*arrays), reference(x, w, **how), rtol=1e-3, atol=1e-3)
    shown = []
    for compiled, other in zip(calls, (lambda: reference(x, w, **how), theirs)):
        ours = [lambda f=f: jax.block_until_ready(f(*arrays)) for f in compiled]
        torch_time, *times = fastest(other, *ours)
        shown += [t / torch_time for t in times]
    print(
        f"{title:20s} forward {shown[0]:6.2f} (XLA's own {shown[1]:6.2f})   "
        f"with gradients {shown[2]:6.2f} (XLA's own {shown[3]:7.2f})",
        flush=True,
    )


if __name__ == "__main__":
    for case in CASES:
        measure(*case)
