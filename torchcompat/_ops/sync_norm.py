"""Batch normalisation by the statistics of all devices that share a mapped axis."""

from __future__ import annotations

from collections.abc import Sequence

from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._registry import Array, op
from torchcompat._ops.norm import _along, _check_batch, _moved, _normalized


@op(grad="SyncBatchNormBackward0")
def sync_batch_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    momentum: Array,
    eps: float,
    axis_names: Sequence[str],
) -> tuple[Array, Array, Array]:
    """As `batch_norm_train`, its mean and variance taken over the devices along `axis_names` too."""
    _check_batch(input, running_mean, running_var, weight, bias)
    x, names = wide(input), tuple(axis_names)
    within = tuple(d for d in range(x.ndim) if d != 1)
    # every device holds a shard of one size, so that elements need no weights
    count = lax.psum(input.size // max(input.shape[1], 1), names)
    mean = lax.psum(x.sum(within), names) / count
    var = lax.psum(jnp.square(x - _along(mean, x.ndim)).sum(within), names) / count
    shaped = _along(mean, x.ndim), _along(var, x.ndim)
    out = _normalized(x, *shaped, weight, bias, eps).astype(input.dtype)
    unbiased = var * (count / max(count - 1, 1))
    return out, _moved(running_mean, mean, momentum), _moved(running_var, unbiased, momentum)
