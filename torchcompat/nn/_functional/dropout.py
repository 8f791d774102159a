"""Dropout of elements and of whole channels. The draws are torch's own under the same seed."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from torchcompat._dtype import get_default_dtype, scalar_name
from torchcompat._ops._errors import not_implemented
from torchcompat._tensor import _faces, ops
from torchcompat._tensor._creation import _place_of
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._sampling import _in_memory_order, drawn
from torchcompat._tensor._tensor import Tensor

_CHANNELS = "exists to provide channel-wise dropout on inputs with"


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _check_type(input: Tensor) -> None:
    if input.dtype.is_complex:
        raise not_implemented("bernoulli_scalar_cpu_", input)
    if not input.dtype.is_floating_point:
        default, own = scalar_name(get_default_dtype()), scalar_name(input.dtype)
        raise RuntimeError(f"result type {default} can't be cast to the desired output type {own}")


def _per_element(input: Tensor) -> tuple[int, ...]:
    return tuple(input.shape)


def _per_channel(input: Tensor) -> tuple[int, ...]:
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *(1,) * (input.ndim - 2))


def _run(
    input: Tensor, p: float, training: bool, inplace: bool, size: Callable, drop: Callable
) -> Tensor:
    """One draw for each element of `size(input)`, applied by the op `drop`."""
    _check_probability(p)
    if p == 0 or not training or 0 in input.shape:
        return input
    if inplace:
        _faces.check_inplace(input)
    result = input * 0.0 if p == 1 else drop(input, _kept(input, size, 1 - p), p)
    return _faces.write(input, result) if inplace else result


def _kept(input: Tensor, size: Callable, chance: float) -> Tensor:
    """Ones with probability `chance`, else zeros; elements are drawn in memory order."""
    sizes = size(input)
    _check_type(input)
    order = _in_memory_order(input) if size is _per_element else list(range(input.ndim))
    drawn_size = tuple(sizes[d] for d in order)
    keep = drawn("bernoulli", drawn_size, input.dtype, None, _place_of(input, None), p=chance)
    if order == sorted(order):
        return keep
    return keep.permute([order.index(d) for d in range(len(order))])


@lifted
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability `p` and scales the rest by `1 / (1 - p)`.

    Source: Hinton et al., "Improving neural networks by preventing co-adaptation of feature
        detectors", 2012.

    Raises:
        ValueError: `p` lies outside [0, 1].
    """
    return _run(input, p, training, inplace, _per_element, ops.drop)


@lifted
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Sets each element to SELU's limit with probability `p`; keeps mean and variance.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    return _run(input, p, training, inplace, _per_element, ops.alpha_drop)


@lifted
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels: one draw for each of the first two dimensions."""
    return _run(input, p, training, inplace, _per_channel, ops.alpha_drop)


@lifted
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels with probability `p` and scales the rest by `1 / (1 - p)`.

    Shape:
        input `(N, C, L)` or `(C, L)`; output as input.
    """
    _check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            f"dropout1d {_CHANNELS} 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    return _batched(input, 3, p, training, inplace)


@lifted
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels with probability `p` and scales the rest by `1 / (1 - p)`.

    Shape:
        input `(N, C, H, W)`, or, as in torch with a warning, `(N, C, L)`; output as input.
    """
    _check_probability(p)
    _warn_rank(input, 2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            stacklevel=3,
        )
    return _run(input, p, training, inplace, _per_channel, ops.drop)


@lifted
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels with probability `p` and scales the rest by `1 / (1 - p)`.

    Shape:
        input `(N, C, D, H, W)` or `(C, D, H, W)`; output as input.
    """
    _check_probability(p)
    _warn_rank(input, 3)
    return _batched(input, 5, p, training, inplace)


def _batched(input: Tensor, ndim: int, p: float, training: bool, inplace: bool) -> Tensor:
    """Channel dropout that lends a batch dimension to an input of fewer than `ndim` dimensions."""
    if input.ndim == ndim:
        return _run(input, p, training, inplace, _per_channel, ops.drop)
    out = _run(input.unsqueeze(0), p, training, inplace, _per_channel, ops.drop)
    return input if inplace else out.squeeze(0)


def _warn_rank(input: Tensor, n: int) -> None:
    if input.ndim in (n + 1, n + 2):
        return
    name = f"dropout{n}d"
    warnings.warn(
        f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result "
        "in an error in a future release. To retain the behavior and silence this warning, please "
        f"use dropout instead. Note that {name} {_CHANNELS} {n} spatial dimensions, a channel "
        f"dimension, and an optional batch dimension (i.e. {n + 1}D or {n + 2}D inputs).",
        stacklevel=4,
    )
