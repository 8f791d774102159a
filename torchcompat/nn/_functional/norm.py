"""Normalisations that check their input as torch's Python does or update running statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._faces import write
from torchcompat._tensor._tensor import Size, Tensor, alias


def _verify_batch_size(size: Sequence[int]) -> None:
    if size[0] * math.prod(size[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {size}"
        )


def _verify_spatial_size(size: Sequence[int]) -> None:
    if math.prod(size[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {size}"
        )


def _store(buffer: Tensor | None, value: Tensor) -> None:
    """Writes a new running statistic without a place in the graph."""
    if buffer is not None:
        write(buffer, alias(value))


@lifted
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel brought to mean 0 and variance 1, then `* weight + bias`.

    Args:
        running_mean, running_var: statistics to use, or (with `training`) to move in place by
            `momentum` towards those of this batch.

    Shape:
        input `(N, C, *)`, all others `(C)`; output as input.

    Raises:
        ValueError: with `training`, there is one value a channel, `eps` is not positive, or only
            one of the running statistics was given.
    """
    if not training:
        return ops.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    _verify_batch_size(Size(input.shape))
    if eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    out, mean, var = ops.batch_norm_train(
        input, running_mean, running_var, weight, bias, momentum, eps
    )
    _store(running_mean, mean)
    _store(running_var, var)
    return out


@lifted
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample brought to mean 0 and variance 1, then `* weight + bias`.

    Shape:
        input `(N, C, *)`, all others `(C)`; output as input.

    Raises:
        ValueError: the statistics would come from one position.
        RuntimeError: `use_input_stats` is false and running statistics are missing.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        return ops.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    _verify_spatial_size(Size(input.shape))
    out, mean, var = ops.instance_norm_train(
        input, running_mean, running_var, weight, bias, momentum, eps
    )
    _store(running_mean, mean)
    _store(running_var, var)
    return out


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over each group of channels and all positions, then `* weight + bias`.

    Shape:
        input `(N, C, *)`, weight and bias `(C)`; output as input.
    """
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    samples, channels = input.shape[:2]
    _verify_batch_size([samples * channels // num_groups, num_groups, *input.shape[2:]])
    return ops.group_norm(input, num_groups, weight, bias, eps)
