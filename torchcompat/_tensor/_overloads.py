"""torch functions with several signatures, as plain functions that choose among the ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import ARRAYS
from torchcompat._tensor._faces import check_inplace, into, write
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "allclose",
    "equal",
    "max",
    "median",
    "min",
    "nanmedian",
    "std",
    "std_mean",
    "var",
    "var_mean",
]

_UNSET: Any = object()
_VALUES = (Tensor, *ARRAYS)


def _written(out: Any, result: Any, name: str = "") -> Any:
    return result if out is None else into(out, result, name)


def _dimension(dim: Any, kwargs: dict) -> tuple[Any, Any]:
    """NumPy's spellings beside torch's: `axis` for `dim`, `keepdims` for `keepdim`."""
    if "axis" in kwargs:
        dim = kwargs.pop("axis")
    return dim, kwargs.pop("keepdims", None)


def _extreme(name: str, two: Callable, along: Callable, everywhere: Callable) -> Callable:
    def function(
        input: Any,
        dim: Any = None,
        keepdim: Any = False,
        *,
        other: Any = None,
        out: Any = None,
        **kwargs: Any,
    ) -> Any:
        dim, keepdims = _dimension(dim, kwargs)
        keepdim = keepdim if keepdims is None else keepdims
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        if other is not None or isinstance(dim, _VALUES):
            return _written(out, two(input, dim if other is None else other))
        if dim is None:
            return _written(out, everywhere(input))
        if not isinstance(keepdim, bool):
            raise TypeError(
                f"{name}(): argument 'keepdim' (position 2) must be bool, "
                f"not {type(keepdim).__name__}"
            )
        _check_int(name, dim)
        return _written(out, along(input, dim, keepdim), name)

    return _named(
        function,
        name,
        f"The {name} of all elements; along `dim` with its indices; or of `input` and `other`.",
    )


def _check_int(name: str, dim: Any) -> None:
    if not isinstance(dim, (int, np.integer)):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got "
            f"({type(dim).__name__}), but expected one of:\n * ()\n * (Tensor other)\n"
            " * (int dim, bool keepdim = False)\n"
        )


def _named(function: Callable, name: str, doc: str, method: bool = True) -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    function.__module__ = "torchcompat"
    if method:
        setattr(Tensor, name, function)
    return function


max = _extreme("max", ops.maximum, ops.max, ops._max_all)
min = _extreme("min", ops.minimum, ops.min, ops._min_all)


def _middle(name: str, along: Callable, everywhere: Callable, doc: str) -> Callable:
    def function(
        input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None, **kwargs: Any
    ) -> Any:
        dim, keepdims = _dimension(dim, kwargs)
        if dim is None:
            return _written(out, everywhere(input))
        return _written(out, along(input, dim, keepdim if keepdims is None else keepdims), name)

    return _named(function, name, doc)


median = _middle(
    "median",
    ops.median,
    ops._median_all,
    "The lower median of all elements, or along `dim` with its indices.",
)
nanmedian = _middle(
    "nanmedian",
    ops.nanmedian,
    ops._nanmedian_all,
    "The lower median of what is not NaN, of all elements or along `dim` with its indices.",
)


def _spread(name: str, compute: Callable, doc: str, method: bool = True) -> Callable:
    def function(
        input: Any,
        dim: Any = None,
        unbiased: Any = True,
        keepdim: bool = False,
        *,
        correction: Any = _UNSET,
        out: Any = None,
        **kwargs: Any,
    ) -> Any:
        dim, keepdims = _dimension(dim, kwargs)
        keepdim = keepdim if keepdims is None else keepdims
        if isinstance(dim, bool):  # the form var(unbiased)
            dim, unbiased = None, dim
        if correction is _UNSET:
            correction = int(unbiased)
        return _written(out, compute(input, dim, 1 if correction is None else correction, keepdim))

    return _named(function, name, doc, method)


_CORRECTION = "\n\n    Args:\n        correction: taken from the count (`unbiased` means 1).\n    "
var = _spread("var", ops.var, "The variance over `dim`, or of all elements." + _CORRECTION)
std = _spread(
    "std", ops.std, "The standard deviation over `dim`, or of all elements." + _CORRECTION
)
var_mean = _spread(
    "var_mean", ops.var_mean, "The variance and the mean over `dim`." + _CORRECTION, method=False
)
std_mean = _spread(
    "std_mean",
    ops.std_mean,
    "The standard deviation and the mean over `dim`." + _CORRECTION,
    method=False,
)


def _check_tensor(name: str, position: int, title: str, x: Any) -> None:
    if not isinstance(x, _VALUES):
        raise TypeError(
            f"{name}(): argument '{title}' (position {position}) must be Tensor, "
            f"not {type(x).__name__}"
        )


def equal(input: Any, other: Any) -> bool:
    """Whether both have the same size and the same elements."""
    _check_tensor("equal", 1, "input", input)
    _check_tensor("equal", 2, "other", other)
    if tuple(input.shape) != tuple(other.shape):
        return False
    return bool(np.asarray(ops._same(input, other)))


def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether `|input - other| <= atol + rtol * |other|` for all elements."""
    _check_tensor("allclose", 1, "input", input)
    _check_tensor("allclose", 2, "other", other)
    close = ops.isclose(input, other, rtol, atol, equal_nan)
    return bool(np.asarray(ops.all(close)))


Tensor.equal = equal
Tensor.allclose = allclose


def polygamma(self: Tensor, n: int) -> Any:
    """The `n`-th derivative of `digamma`."""
    return ops.polygamma(n, self)


Tensor.polygamma = polygamma


def polygamma_(self: Tensor, n: int) -> Tensor:
    """The `n`-th derivative of `digamma`, in place."""
    check_inplace(self)
    return write(self, ops.polygamma(n, self))


Tensor.polygamma_ = polygamma_
