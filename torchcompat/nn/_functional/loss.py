"""Losses that compare element with element or row with row: torch's arguments, warnings and checks.

Checks of values (a probability above 1, a negative variance) need the values at hand. They are made
where reading them is free: concrete arrays on the CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat import _device
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Size, Tensor, as_array
from torchcompat.nn._reduction import settled


def host_values(x: Any) -> np.ndarray | None:
    """The values of a concrete array on the CPU, else None."""
    array = as_array(x)
    if not isinstance(array, jax.Array) or isinstance(array, jax.core.Tracer):
        return None
    if _device.of_array(array).type != "cpu" or not array.size:
        return None
    return np.asarray(array)


def _warn_broadcast(input: Tensor, target: Tensor) -> None:
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"Using a target size ({Size(target.shape)}) that is different to the input size "
            f"({Size(input.shape)}). This will likely lead to incorrect results due to "
            "broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


def _check_weight(input: Tensor, weight: Tensor | None) -> None:
    if weight is not None and tuple(weight.shape) != tuple(input.shape):
        raise ValueError("Weights and input must have the same size.")


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean (or sum, or each) of `|input - target|`, weighted by `weight`."""
    _warn_broadcast(input, target)
    _check_weight(input, weight)
    return ops.l1_loss(input, target, settled(size_average, reduce, reduction), weight)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean (or sum, or each) of `(input - target)^2`, weighted by `weight`."""
    _warn_broadcast(input, target)
    _check_weight(input, weight)
    return ops.mse_loss(input, target, settled(size_average, reduce, reduction), weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """A parabola for differences below `beta`, a line of slope 1 beyond."""
    _warn_broadcast(input, target)
    return ops.smooth_l1_loss(input, target, settled(size_average, reduce, reduction), beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """A parabola for differences up to `delta`, a line of slope `delta` beyond."""
    _warn_broadcast(input, target)
    _check_weight(input, weight)
    return ops.huber_loss(input, target, settled(None, None, reduction), delta, weight)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy of probabilities of one class and targets in [0, 1].

    Raises:
        ValueError: the sizes differ.
        RuntimeError: an input or target lies outside [0, 1].
    """
    reduction = settled(size_average, reduce, reduction)
    if tuple(target.shape) != tuple(input.shape):
        raise ValueError(
            f"Using a target size ({Size(target.shape)}) that is different to the input size "
            f"({Size(input.shape)}) is deprecated. Please ensure they have the same size."
        )
    loss = ops.binary_cross_entropy(input, target, weight, reduction)
    for name, x in (("input", input), ("target", target)):
        found = host_values(x)
        if found is not None and not ((found >= 0) & (found <= 1)).all():
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    return loss


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of logits of one class and targets in [0, 1].

    Args:
        pos_weight: factor of the positive targets, broadcast to the target.

    Raises:
        ValueError: the sizes differ.
    """
    reduction = settled(size_average, reduce, reduction)
    if tuple(target.shape) != tuple(input.shape):
        raise ValueError(
            f"Target size ({Size(target.shape)}) must be the same as "
            f"input size ({Size(input.shape)})"
        )
    return ops.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of `target` from the log-probabilities `input`.

    Args:
        reduction: also "batchmean", the sum divided by the batch size, which is the definition.
        log_target: `target` holds log-probabilities too.
    """
    if size_average is None and reduce is None and reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    reduction = settled(size_average, reduce, reduction, "batchmean")
    return ops.kl_div(input, target, reduction, log_target=log_target)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of counts `target` under Poisson distributions of rate `input`.

    Args:
        log_input: `input` is the rate's logarithm.
        full: add Stirling's approximation of the constant term.
    """
    reduction = settled(size_average, reduce, reduction)
    return ops.poisson_nll_loss(input, target, log_input, full, eps, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of `target` under normal distributions of mean `input`.

    Args:
        var: variances: of the input's shape, or with its last dimension missing, or with one
            dimension of size 1; or one number.
        full: add the constant term.
        eps: floor under `var`, which its gradient does not see.

    Raises:
        ValueError: a variance is negative, or `var` has another size.
    """
    low = var if isinstance(var, (int, float)) else host_values(var)
    if low is not None and np.min(low) < 0:
        raise ValueError("var has negative entry/entries")
    if not isinstance(var, (int, float)):
        var = _fitted(tuple(input.shape), var)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    return ops.gaussian_nll_loss(input, target, var, full, eps, reduction)


def _fitted(size: tuple[int, ...], var: Tensor) -> Tensor:
    given = tuple(var.shape)
    if given == size:
        return var
    if given == size[:-1]:
        return ops.unsqueeze(var, -1)
    if len(given) == len(size) and sum(v for n, v in zip(size, given) if n != v) == 1:
        return var
    raise ValueError("var is of incorrect size")


def _sign(target: Any) -> Any:
    """A target that only chooses between two formulas; autograd does not know it."""
    return target.detach() if isinstance(target, Tensor) else target


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`input` where `target` is 1, `max(0, margin - input)` where it is -1."""
    reduction = settled(size_average, reduce, reduction)
    return ops.hinge_embedding_loss(input, _sign(target), margin, reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`1 - cos(input1, input2)` where `target` is 1, `max(0, cos - margin)` where it is -1."""
    reduction = settled(size_average, reduce, reduction)
    return ops.cosine_embedding_loss(input1, input2, _sign(target), float(margin), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`max(0, -target * (input1 - input2) + margin)`."""
    reduction = settled(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {Size(input1.shape)}, input2: {Size(input2.shape)}, "
            f"target: {Size(target.shape)} "
        )
    return ops.margin_ranking_loss(input1, input2, target, float(margin), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`log(1 + exp(-target * input))`, `target` being 1 or -1."""
    return ops.soft_margin_loss(input, target, settled(size_average, reduce, reduction))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`max(0, d(anchor, positive) - d(anchor, negative) + margin)`, d the p-norm of the difference.

    Args:
        swap: use d(positive, negative) where it is below d(anchor, negative).
    """
    reduction = settled(size_average, reduce, reduction)
    _check_margin(margin)
    return ops.triplet_margin_loss(
        anchor, positive, negative, margin, float(p), eps, swap, reduction
    )


def _check_margin(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")


@lifted
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with any distance; the default is `pairwise_distance`."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    _check_margin(margin)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    distance = ops.pairwise_distance if distance_function is None else distance_function
    crossed = distance(positive, negative) if swap else None
    near, far = distance(anchor, positive), distance(anchor, negative)
    return ops.triplet_of_distances(near, far, crossed, margin, reduction)
