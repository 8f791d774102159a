"""Losses over classes: torch's arguments, warnings and checks.

A target that names no class raises where its value can be read for free (concrete arrays on the
CPU); elsewhere, and under tracing, its loss is NaN.
"""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor
from torchcompat.nn._functional.loss import host_values
from torchcompat.nn._reduction import legacy_get_string, settled


def _check_classes(input: Tensor, target: Tensor, ignore_index: int | None, text: str) -> None:
    """Raises where a target names no class: IndexError if `text` has a place for it."""
    found = host_values(target)
    if found is None or found.dtype.kind not in "iu" or not input.ndim:
        return
    classes = input.shape[1 if input.ndim > 1 else 0]
    bad = (found < 0) | (found >= classes)
    if ignore_index is not None:
        bad &= found != ignore_index
    if bad.any():
        kind = IndexError if "{" in text else RuntimeError
        raise kind(text.format(found[bad].flat[0]))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of log-probabilities.

    Args:
        weight: factor of each class; the mean is over the factors that occur.
        ignore_index: targets of this value count for nothing.

    Shape:
        input `(C)`, `(N, C)` or `(N, C, d1, ...)`; target `()`, `(N)` or `(N, d1, ...)`.

    Raises:
        IndexError: a target names no class.
    """
    reduction = settled(size_average, reduce, reduction)
    loss = ops.nll_loss(input, target, weight, reduction, ignore_index)
    _check_classes(input, target, ignore_index, "Target {} is out of bounds.")
    return loss


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of unnormalised logits and a target of class indices or of probabilities.

    Args:
        weight: factor of each class; the mean over class indices is over the factors that occur.
        ignore_index: targets of this value count for nothing.
        label_smoothing: share of the target spread evenly over the classes, in [0, 1].

    Shape:
        input `(C)`, `(N, C)` or `(N, C, d1, ...)`; target of class indices `()`, `(N)` or
        `(N, d1, ...)`, or of probabilities in the shape of the input.

    Raises:
        IndexError: a target names no class.
    """
    reduction = settled(size_average, reduce, reduction)
    loss = ops.cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing)
    if tuple(input.shape) != tuple(target.shape):
        _check_classes(input, target, ignore_index, "Target {} is out of bounds.")
    return loss


@lifted
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    Args:
        options: how torch splits the work; accepted, XLA chooses by itself.

    Shape:
        input `(N, in_features)` or `(in_features)`; linear_weight `(C, d1, ..., in_features)`.
    """
    _check_linear(input, linear_weight, linear_bias)
    features = linear_weight.shape[-1]
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = ops.linear(input, linear_weight.reshape(-1, features), bias)
    logits = logits.reshape(*input.shape[:-1], *linear_weight.shape[:-1])
    if ignore_index is not None and target.shape == logits.shape:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def _check_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if not 1 <= input.ndim <= 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {weight.ndim}"
        )
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    size = tuple(weight.shape[:-1])
    if bias is not None and tuple(bias.shape) != size:
        raise RuntimeError(f"expected linear_bias shape {size}, got {tuple(bias.shape)}")
    if len(size) > 1 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires "
            f"batched input, (N, {input.shape[-1]}), got unbatched input with shape "
            f"{tuple(input.shape)}"
        )


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`sum_j max(0, margin - input[target] + input[j])^p / C`, j being any class but `target`.

    Raises:
        ValueError: `p` is neither 1 nor 2.
        RuntimeError: a target names no class.
    """
    reduction = settled(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    loss = ops.multi_margin_loss(input, target, p, margin, weight, reduction)
    _check_classes(input, target, None, "target out of range")
    return loss


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`sum_ij max(0, 1 - (input[target[j]] - input[i])) / C`, i being any class not in `target`.

    Raises:
        RuntimeError: a target is neither a class nor -1.
    """
    reduction = settled(size_average, reduce, reduction)
    loss = ops.multilabel_margin_loss(input, target, reduction)
    _check_classes(input, target, -1, "argument #2 'target' is out of range")
    return loss


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross entropy of each class's logit, averaged over the classes."""
    if size_average is not None or reduce is not None:
        reduction = legacy_get_string(size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    return ops.multilabel_soft_margin_loss(input, target, weight, reduction)
