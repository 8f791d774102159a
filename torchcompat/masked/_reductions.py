"""Masked reductions: what the mask leaves out takes the value that changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import Tensor
from torchcompat._tensor._dispatch import lifted


def _dims(input: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None or dim == ():
        return tuple(range(input.ndim))
    return (dim,) if isinstance(dim, int) else tuple(dim)


def _cast(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else input.to(dtype)


def _mask(input: Tensor, mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.expand(input.shape)


def _filled(input: Tensor, mask: Tensor | None, value: Any) -> Tensor:
    mask = _mask(input, mask)
    return input if mask is None else input.where(mask, input.new_full((), value))


def _extreme(input: Tensor, largest: bool) -> Any:
    kind = input.dtype
    if kind.is_floating_point:
        return math.inf if largest else -math.inf
    if kind is _dtype.get("bool"):
        return largest
    limits = np.iinfo(kind.numpy)
    return limits.max if largest else limits.min


def _count(input: Tensor, mask: Tensor | None, dims: tuple, keepdim: bool) -> Tensor:
    ones = input.new_ones(input.shape, dtype=_dtype.get("int64"))
    return _filled(ones, mask, 0).sum(dims, keepdim=keepdim)


@lifted
def sum(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The sum of the selected elements; 0 where there is none."""
    return _filled(_cast(input, dtype), mask, 0).sum(_dims(input, dim), keepdim=keepdim)


@lifted
def prod(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The product of the selected elements; 1 where there is none."""
    result = _filled(_cast(input, dtype), mask, 1)
    for d in sorted((d % input.ndim for d in _dims(input, dim)), reverse=True):
        result = result.prod(d, keepdim=keepdim)
    return result


@lifted
def mean(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The mean of the selected elements; nan where there is none."""
    input, dims = _cast(input, dtype), _dims(input, dim)
    return _filled(input, mask, 0).sum(dims, keepdim=keepdim) / _count(input, mask, dims, keepdim)


@lifted
def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The variance of the selected elements.

    Raises:
        RuntimeError: `unbiased` and `correction` are both given.
    """
    if unbiased is not None and correction is not None:
        raise RuntimeError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1 if unbiased or unbiased is None else 0
    input, dims = _cast(input, dtype), _dims(input, dim)
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        input = input.to(_dtype.get_default_dtype())
    count = _count(input, mask, dims, True)
    away = input - _filled(input, mask, 0).sum(dims, keepdim=True) / count
    squares = away * away.conj() if input.dtype.is_complex else away * away
    total = _filled(squares, mask, 0).sum(dims, keepdim=keepdim)
    count = _count(input, mask, dims, keepdim)
    return total / (count - correction).clamp(min=0)


@lifted
def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The standard deviation of the selected elements."""
    options = {"correction": correction, "keepdim": keepdim, "dtype": dtype, "mask": mask}
    return var(input, dim, unbiased, **options).sqrt()


def _reduction(name: str, largest: bool, doc: str) -> Callable:
    @lifted
    def reduce(
        input: Tensor,
        dim: Any = None,
        *,
        keepdim: bool = False,
        dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        input = _cast(input, dtype)
        filled = _filled(input, mask, _extreme(input, largest))
        return getattr(filled, name)(_dims(input, dim), keepdim=keepdim)

    reduce.__name__, reduce.__doc__ = name, doc
    return reduce


def _index(name: str, largest: bool, doc: str) -> Callable:
    @lifted
    def find(
        input: Tensor,
        dim: int | None = None,
        *,
        keepdim: bool = False,
        dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        input = _cast(input, dtype)
        return getattr(_filled(input, mask, _extreme(input, largest)), name)(dim, keepdim=keepdim)

    find.__name__, find.__doc__ = name, doc
    return find


amax = _reduction("amax", False, "The largest of the selected elements.")
amin = _reduction("amin", True, "The smallest of the selected elements.")
argmax = _index("argmax", False, "Where the largest of the selected elements stands.")
argmin = _index("argmin", True, "Where the smallest of the selected elements stands.")


@lifted
def logsumexp(
    input: Tensor,
    dim: Any,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The logarithm of the sum of the exponentials of the selected elements."""
    filled = _filled(_cast(input, dtype), mask, -math.inf)
    return filled.logsumexp(_dims(input, dim), keepdim=keepdim)


@lifted
def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """`log(exp(input) + exp(other))`, where each has a mask of its own."""
    mine = _filled(_cast(input, dtype), input_mask, -math.inf)
    return mine.logaddexp(_filled(_cast(other, dtype), other_mask, -math.inf))


@lifted
def norm(
    input: Tensor,
    ord: float = 2.0,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The vector norm of the selected elements."""
    fill = math.inf if ord == -math.inf else 0
    filled = _filled(_cast(input, dtype), mask, fill)
    return filled.norm(ord, _dims(input, dim), keepdim=keepdim)


@lifted
def median(
    input: Tensor,
    dim: int = -1,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The median of the selected elements; nan where there is none."""
    input = _cast(input, dtype)
    if not input.dtype.is_floating_point:
        input = input.float()
    return _filled(input, mask, math.nan).nanmedian(dim, keepdim=keepdim).values


def _along(name: str, fill: float, doc: str) -> Callable:
    @lifted
    def run(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
        return getattr(_filled(_cast(input, dtype), mask, fill), name)(dim)

    run.__name__, run.__doc__ = name, doc
    return run


softmax = _along("softmax", -math.inf, "The softmax over the selected elements of a dimension.")
log_softmax = _along("log_softmax", -math.inf, "The logarithm of `softmax`.")
cumsum = _along("cumsum", 0, "The running sum of the selected elements.")
cumprod = _along("cumprod", 1, "The running product of the selected elements.")


@lifted
def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The softmax of `-input` over the selected elements."""
    return softmax(-input, dim, dtype=dtype, mask=mask)


@lifted
def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The selected elements divided by their norm; others divided by it too."""
    input = _cast(input, dtype)
    length = norm(input, ord, dim, keepdim=True, mask=mask)
    return _filled(input, mask, 0) / length.clamp(min=eps)
