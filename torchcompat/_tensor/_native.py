"""Functions that torch keeps for its own layers: `native_layer_norm`, `native_dropout` ...

Traced programs and custom backward passes call them by name, as `torch.f` or `torch.ops.aten.f`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import _faces, ops
from torchcompat._tensor._creation import full
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._place import put
from torchcompat._tensor._sampling import rand_like
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "_log_softmax",
    "_log_softmax_backward_data",
    "_native_batch_norm_legit",
    "_safe_softmax",
    "_softmax",
    "_softmax_backward_data",
    "constant_pad_nd",
    "native_batch_norm",
    "native_dropout",
    "native_group_norm",
    "native_layer_norm",
]

_HALF = (_dtype.float16, _dtype.bfloat16)


def _statistics(x: Tensor, dims: Sequence[int], eps: float, kind: Any) -> tuple[Tensor, Tensor]:
    """The mean and the reciprocal standard deviation over `dims`, which stay as size 1."""
    wide = x.to(_dtype.float32) if x.dtype in _HALF else x
    mean = wide.mean(tuple(dims), keepdim=True)
    var = (wide - mean).square().mean(tuple(dims), keepdim=True)
    return mean.to(kind), (var + eps).rsqrt().to(kind)


def _statistic_type(input: Tensor, *parameters: Tensor | None) -> Any:
    return next((p.dtype for p in parameters if p is not None), input.dtype)


@lifted
def native_layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any, bias: Any, eps: float
) -> tuple:
    """`layer_norm`, and the mean and reciprocal standard deviation that it used."""
    dims = range(input.ndim - len(normalized_shape), input.ndim)
    out = ops.layer_norm(input, tuple(normalized_shape), weight, bias, eps)
    kind = _statistic_type(input, weight, bias)
    return out, *_statistics(input.detach(), dims, eps, kind)


@lifted
def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple:
    """`group_norm`, and the mean and reciprocal standard deviation of each group."""
    out = ops.group_norm(input, group, weight, bias, eps)
    kind = _statistic_type(input, weight, bias)
    groups = input.reshape(N, group, C // group * HxW)
    mean, rstd = _statistics(groups, [2], eps, kind)
    return out, mean.squeeze(2), rstd.squeeze(2)


@lifted
def native_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple:
    """`batch_norm`, and the mean and reciprocal standard deviation of the batch (in training)."""
    kind = _statistic_type(input, weight, running_mean)
    if not training:
        none = full((0,), 0.0, dtype=kind)
        out = ops.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
        return out, none, none.clone()
    dims = [d for d in range(input.ndim) if d != 1]
    out, mean, var = ops.batch_norm_train(
        input, running_mean, running_var, weight, bias, momentum, eps
    )
    for target, value in ((running_mean, mean), (running_var, var)):
        if target is not None:
            _faces.write(target, value.detach())
    return out, *(s.reshape(-1) for s in _statistics(input.detach(), dims, eps, kind))


def _native_batch_norm_legit(input: Any, weight: Any, bias: Any, *rest: Any, **named: Any) -> tuple:
    """`native_batch_norm`, or without the two running statistics."""
    given = len(rest) + len(named)
    if given == 3:
        return native_batch_norm(input, weight, bias, None, None, *rest, **named)
    return native_batch_norm(input, weight, bias, *rest, **named)


def _batch_norm_with_update(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    momentum: float,
    eps: float,
) -> tuple:
    """`native_batch_norm` in training, with an empty reserve."""
    found = native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return *found, put(np.zeros(0, np.uint8))


@lifted
def native_dropout(input: Any, p: float, train: bool | None) -> tuple:
    """`dropout`, and the mask of what it kept."""
    if train is False or not input.numel():
        return input.clone(), full(tuple(input.shape), True, dtype=_dtype.bool_)
    kept = rand_like(input, dtype=_dtype.float32) >= p
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return input * kept * scale, kept


def native_dropout_backward(grad_output: Any, mask: Any, scale: float) -> Any:
    """The gradient of `dropout`."""
    return grad_output * mask * scale


# -- softmax --------------------------------------------------------------------------------------


@lifted
def _softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    """`softmax`; of half-precision numbers as float32 with `half_to_float`."""
    return ops.softmax(input, dim, _dtype.float32 if half_to_float else None)


@lifted
def _log_softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    """`log_softmax`; of half-precision numbers as float32 with `half_to_float`."""
    return ops.log_softmax(input, dim, _dtype.float32 if half_to_float else None)


@lifted
def _softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The gradient of `softmax`, given its output."""
    scaled = grad_output * output
    return (scaled - output * scaled.sum(dim, keepdim=True)).to(input_dtype)


@lifted
def _log_softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The gradient of `log_softmax`, given its output."""
    return (grad_output - output.exp() * grad_output.sum(dim, keepdim=True)).to(input_dtype)


@lifted
def _safe_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """`softmax`, with 0 in place of NaN where all of a row is -inf."""
    empty = (input == -math.inf).all(dim, keepdim=True)
    found = ops.softmax(input.masked_fill(empty, 0.0), dim, dtype)
    return found.masked_fill(empty, 0.0)


# -- padding and slices ---------------------------------------------------------------------------


@lifted
def constant_pad_nd(input: Any, pad: Sequence[int], value: float = 0) -> Any:
    """`input` with a margin of one value; a negative width cuts off instead."""
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    return ops.pad(input, tuple(pad), "constant", value)
