"""What is to know of dtypes: `finfo`, `iinfo`, `result_type`, `can_cast`, the default dtype."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._ops import _common
from torchcompat._tensor._tensor import Tensor

__all__ = ["can_cast", "finfo", "iinfo", "result_type"]


class finfo:
    """The numerical limits of a floating-point dtype (of a complex one: of its parts).

    Raises:
        TypeError: the dtype is not a floating-point one.
    """

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float
    resolution: float
    dtype: str

    def __init__(self, type: Dtype | None = None) -> None:
        kind = _dtype.get_default_dtype() if type is None else type
        if not (kind.is_floating_point or kind.is_complex):
            raise TypeError(
                "torch.finfo() requires a floating point input type. "
                "Use torch.iinfo to handle 'torch.finfo'"
            )
        kind = kind.to_real()
        limits = ml_dtypes.finfo(kind.numpy)
        self.bits = kind.itemsize * 8
        self.eps, self.max, self.min = (float(x) for x in (limits.eps, limits.max, limits.min))
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = 10.0 ** -int(-np.log10(self.eps))
        self.dtype = kind.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        values = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({values}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer dtype.

    Raises:
        TypeError: the dtype is not an integer one.
    """

    bits: int
    max: int
    min: int
    dtype: str

    def __init__(self, type: Dtype) -> None:
        if type.is_floating_point or type.is_complex:
            raise TypeError(
                "torch.iinfo() requires an integer input type. "
                "Use torch.finfo to handle 'torch.iinfo'"
            )
        if type is _dtype.bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        limits = np.iinfo(type.numpy)
        self.bits, self.max, self.min = limits.bits, int(limits.max), int(limits.min)
        self.dtype = type.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={float(self.min):g}, max={float(self.max):g}, dtype={self.dtype})"


def result_type(tensor1: Any, tensor2: Any) -> Dtype:
    """The dtype of an operation on both, which may be tensors, arrays or Python numbers."""
    return _common.result_type(
        *(_Shaped(x) if isinstance(x, Tensor) else x for x in (tensor1, tensor2))
    )


class _Shaped:
    """Rank and type of a tensor, all that promotion looks at."""

    def __init__(self, tensor: Tensor) -> None:
        self.ndim, self.dtype = tensor.ndim, tensor.dtype.numpy


def _category(kind: Dtype) -> int:
    if kind.is_complex:
        return 3
    if kind.is_floating_point:
        return 2
    return 0 if kind is _dtype.bool_ else 1


def can_cast(from_: Dtype, to: Dtype) -> bool:
    """Whether torch stores a result of type `from_` in a tensor of type `to`."""
    for position, (title, one) in enumerate((("from_", from_), ("to", to)), 1):
        if not isinstance(one, Dtype):
            raise TypeError(
                f"can_cast(): argument '{title}' (position {position}) must be torch.dtype, not "
                f"{type(one).__name__}"
            )
    return _category(from_) <= _category(to)
