"""Batch normalisation across devices, and which devices those are."""

from __future__ import annotations

from typing import Any

import jax

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._faces import write
from torchcompat._tensor._tensor import Tensor, alias


def mapped_axes(process_group: Any = None) -> tuple[str, ...]:
    """The mesh axes to take means over: those named, or all that a `shard_map` or `pmap` maps."""
    if process_group is None:
        return tuple(jax.sharding.get_abstract_mesh().manual_axes)
    return (process_group,) if isinstance(process_group, str) else tuple(process_group)


@lifted
def sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: Any,
    eps: float,
    axis_names: tuple[str, ...],
) -> Tensor:
    """`batch_norm` in training mode by the statistics of all devices along `axis_names`."""
    out, mean, var = ops.sync_batch_norm(
        input, running_mean, running_var, weight, bias, momentum, eps, axis_names
    )
    for buffer, value in ((running_mean, mean), (running_var, var)):
        if buffer is not None:
            write(buffer, alias(value))
    return out
