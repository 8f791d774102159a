"""CTC loss: torch's two forms of the targets and its checks of the lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._factory import tensor
from torchcompat._tensor._steps import arange
from torchcompat._tensor._tensor import Tensor
from torchcompat.nn._functional.loss import host_values
from torchcompat.nn._reduction import settled

_WHERE = "(while checking arguments for ctc_loss_allocate_outputs)"


@lifted
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """`-log` of the summed probability of all alignments of each target with its input.

    Args:
        blank: the class that stands for no label.
        reduction: "mean" first divides each loss by the length of its target.
        zero_infinity: 0 (and no gradient) instead of an infinite loss.

    Shape:
        log_probs `(T, N, C)` or `(T, C)`; targets `(N, S)`, `(S)` or all of them joined; lengths
        `(N)` or `()`.
    """
    reduction = settled(None, None, reduction)
    lengths = [_as_lengths(x, n) for x, n in ((input_lengths, "input"), (target_lengths, "target"))]
    batched = log_probs.ndim == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
        lengths = [x.reshape(-1) for x in lengths]
    _check(log_probs, targets, lengths, blank)
    if targets.ndim == 1:
        targets = _apart(targets, lengths[1])
    loss = ops.ctc_loss(log_probs, targets, *lengths, blank, reduction, zero_infinity)
    return loss if batched or reduction != "none" else loss.reshape(())


def _as_lengths(lengths: Any, name: str) -> Tensor:
    if not isinstance(lengths, Tensor):
        lengths = tensor(list(lengths), dtype=_dtype.int64)
    if lengths.dtype.is_floating_point:
        raise RuntimeError(f"{name}_lengths must be integral")
    return lengths


def _check(log_probs: Tensor, targets: Tensor, lengths: list[Tensor], blank: int) -> None:
    if 0 in log_probs.shape:
        raise RuntimeError("log_probs tensor must not be empty")
    if log_probs.ndim != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {log_probs.ndim}-dimensional tensor for "
            f"argument #1 'log_probs' {_WHERE}"
        )
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, one in zip(("input", "target"), lengths):
        if one.shape[0] != batch:
            raise RuntimeError(f"{name}_lengths must be of size batch_size")
    if not 1 <= targets.ndim <= 2:
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {targets.ndim}-dimensional tensor for argument "
            f"#2 'targets' {_WHERE}"
        )
    if targets.ndim == 2 and targets.shape[0] != batch:
        raise RuntimeError(
            f"Expected tensor to have size {batch} at dimension 0, but got size {targets.shape[0]} "
            f"for argument #2 'targets' {_WHERE}"
        )
    heard, said = (host_values(one) for one in lengths)
    for name, values, most in (("input", heard, steps), ("target", said, None)):
        if values is not None:
            _check_range(name, values, most)
    if said is not None:
        _check_targets(targets, said)


def _check_range(name: str, values: np.ndarray, most: int | None) -> None:
    if values.min() < 0:
        raise RuntimeError(
            f"Expected {name}_lengths to have value at least 0, but got value "
            f"{values[values < 0][0]} {_WHERE}"
        )
    if most is not None and values.max() > most:
        raise RuntimeError(
            f"Expected {name}_lengths to have value at most {most}, but got value "
            f"{values[values > most][0]} {_WHERE}"
        )


def _check_targets(targets: Tensor, said: np.ndarray) -> None:
    have = targets.shape[-1]
    if targets.ndim == 1 and have != said.sum():
        raise RuntimeError(
            f"Expected tensor to have size {said.sum()} at dimension 0, but got size {have} for "
            f"argument #2 'targets' {_WHERE}"
        )
    if targets.ndim == 2 and have < said.max():
        raise RuntimeError(
            f"Expected tensor to have size at least {said.max()} at dimension 1, but got size "
            f"{have} for argument #2 'targets' {_WHERE}"
        )


def _apart(targets: Tensor, lengths: Tensor) -> Tensor:
    """Joined targets as one row a sample, the rest of each row filled with anything.

    Where the lengths are not known, a row is as long as all targets together.
    """
    if not targets.shape[0]:
        return targets.new_zeros((lengths.shape[0], 1))
    said = host_values(lengths)
    width = targets.shape[0] if said is None else said.max()
    starts = lengths.cumsum(0) - lengths
    index = starts.unsqueeze(1) + arange(max(int(width), 1), device=targets.device)
    return targets[index.clamp(max=targets.shape[0] - 1)]
