"""Activations that choose a dimension by themselves or draw random numbers."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np

from torchcompat._dtype import dtype as Dtype
from torchcompat._random import is_staging, sample
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._faces import check_inplace, write
from torchcompat._tensor._tensor import Tensor


def _get_softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dimension that torch takes when none is given, with its warning."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """`exp(input) / sum(exp(input))` along `dim`.

    Args:
        dim: if None, the dimension torch guesses, with a warning.
        dtype: type to convert to beforehand.
    """
    if dim is None:
        dim = _get_softmax_dim("softmax", input.ndim, _stacklevel)
    return ops.softmax(input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """`softmax(-input)` along `dim`."""
    if dim is None:
        dim = _get_softmax_dim("softmin", input.ndim, _stacklevel)
    return ops.softmax(ops.neg(input), dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """`log(softmax(input))` along `dim`, without overflow."""
    if dim is None:
        dim = _get_softmax_dim("log_softmax", input.ndim, _stacklevel)
    return ops.log_softmax(input, dim, dtype)


@lifted
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A random one-hot vector along `dim`, made differentiable by a softmax of temperature `tau`.

    Args:
        hard: return the one-hot vector itself; its gradient is still that of the softmax.
        eps: has no effect.

    Source: Jang et al., Categorical Reparameterization with Gumbel-Softmax, 2016.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=3)
    noise = sample("exponential", None, tuple(logits.shape), logits.dtype.numpy)
    return ops.gumbel_softmax(logits, noise, tau, hard, dim)


@lifted
def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """`input` where positive, else `a * input`.

    In training `a` is drawn from [lower, upper) for each element; else it is their mean.
    """
    if inplace:
        return rrelu_(input, lower, upper, training)
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return ops.leaky_relu(input, (lower + upper) / 2)
    return ops.rrelu_with_noise(input, _slopes(input, float(lower), float(upper)))


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """`rrelu` in place."""
    check_inplace(input)
    return write(input, rrelu(input, lower, upper, training))


def _slopes(input: Tensor, lower: float, upper: float) -> Any:
    """Random slopes for the elements that are not positive; torch draws for no others."""
    array, kind = input._read(), input.dtype.numpy
    if is_staging() or isinstance(array, jax.core.Tracer):
        return sample("uniform", None, array.shape, kind, low=lower, high=upper)
    drawn = np.asarray(array) <= 0
    slopes = np.ones(array.shape, kind)
    slopes[drawn] = sample("uniform", None, (drawn.sum(),), np.float64, low=lower, high=upper)
    return slopes
