"""Folding batch normalisation at inference into the layer before it."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torchcompat._tensor import Tensor
from torchcompat.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]

LayerT = TypeVar("LayerT")


def fuse_conv_bn_eval(conv: LayerT, bn: Any, transpose: bool = False) -> LayerT:
    """A copy of a convolution that computes what `conv` followed by `bn` does in evaluation.

    Args:
        transpose: `conv` is a transposed convolution.

    Raises:
        AssertionError: a module is in training mode, or `bn` keeps no running statistics.
    """
    _check_modes(conv, bn)
    return _fused(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: LayerT, bn: Any) -> LayerT:
    """A copy of a linear layer that computes what `linear` followed by `bn` does in evaluation.

    Raises:
        AssertionError: a module is in training mode, or `bn` keeps no running statistics or is of
            another size (other than 1, which suits all).
    """
    _check_modes(linear, bn)
    features, normalised = linear.out_features, bn.num_features  # type: ignore[attr-defined]
    if normalised not in (features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={features} and bn.num_features={normalised}"
        )
    return _fused(linear, bn, fuse_linear_bn_weights)


def _check_modes(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")


def _fused(layer: Any, bn: Any, fuse: Any, *options: Any) -> Any:
    fused = copy.deepcopy(layer)
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    statistics = bn.running_mean, bn.running_var, bn.eps
    fused.weight, fused.bias = fuse(
        fused.weight, fused.bias, *statistics, bn.weight, bn.bias, *options
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that has the normalisation in it.

    Args:
        conv_w, conv_b: weight and bias of the convolution.
        bn_rm, bn_rv, bn_eps: running mean and variance, and what is added to the variance.
        bn_w, bn_b: scale and shift; None for 1 and 0.
        transpose: the output channels are the second dimension of `conv_w`, not the first.
    """
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _fused_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the linear layer that has the normalisation in it.

    Arguments as for `fuse_conv_bn_weights`.
    """
    return _fused_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _fused_weights(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    scale: Tensor | None,
    shift: Tensor | None,
    shape: list[int],
) -> tuple[Parameter, Parameter]:
    """`weight * f` and `(bias - mean) * f + shift`, with f = scale / sqrt(variance + eps)."""
    factor = (variance + eps).rsqrt()
    factor = factor if scale is None else scale * factor
    centred = -mean if bias is None else bias - mean
    fused_bias = centred * factor if shift is None else centred * factor + shift
    kind = weight.dtype if bias is None else bias.dtype
    fused = (weight * factor.reshape(shape)).to(weight.dtype), fused_bias.to(kind)
    wanted = weight.requires_grad, bias is not None and bias.requires_grad
    return tuple(Parameter(t, r) for t, r in zip(fused, wanted))  # type: ignore[return-value]
