"""Python's operators on Tensors: `+`, `@`, `==`, `+=` ... over the ops of the same meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat._ops._registry import ROWS, Row
from torchcompat._tensor import _dispatch, _faces
from torchcompat._tensor._tensor import Tensor

_call = _dispatch.call
_OPERANDS = (Tensor, int, float, complex, jax.Array, np.ndarray, np.generic)


def _forward(row: Row, rest: tuple) -> Callable:
    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return _call(row, (self, other, *rest))

    return operator


def _reflected(row: Row, rest: tuple) -> Callable:
    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return _call(row, (other, self, *rest))

    return operator


def _inplace(row: Row, rest: tuple) -> Callable:
    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return _faces._inplace(row, (self, other, *rest))

    return operator


def _attach(name: str, operator: Callable, doc: str) -> None:
    operator.__name__ = name
    operator.__qualname__ = f"Tensor.{name}"
    operator.__doc__ = doc
    setattr(Tensor, name, operator)


# operator: the row behind it, and that row's further arguments.
_ARITHMETIC: dict[str, tuple[str, tuple]] = {
    "add": ("_add", ()),
    "sub": ("_sub", ()),
    "mul": ("mul", ()),
    "truediv": ("true_divide", ()),
    "floordiv": ("floor_divide", ()),
    "mod": ("remainder", ()),
    "pow": ("pow", ()),
    "and": ("bitwise_and", ()),
    "or": ("bitwise_or", ()),
    "xor": ("bitwise_xor", ()),
    "lshift": ("bitwise_left_shift", ()),
    "rshift": ("bitwise_right_shift", ()),
}
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")

for _name, (_title, _rest) in _ARITHMETIC.items():
    _row = ROWS[_title]
    _attach(f"__{_name}__", _forward(_row, _rest), f"`self` {_name} `other`.")
    _attach(f"__r{_name}__", _reflected(_row, _rest), f"`other` {_name} `self`.")
    _attach(f"__i{_name}__", _inplace(_row, _rest), f"`self` {_name} `other`, in place.")
for _name in _COMPARISONS:
    _attach(f"__{_name}__", _forward(ROWS[_name], ()), f"`self` {_name} `other`, elementwise.")


def _matmul(self: Tensor, other: Any) -> Any:
    if not isinstance(other, (Tensor, jax.Array, np.ndarray)):
        return NotImplemented
    return _call(ROWS["matmul"], (self, other))


def _rmatmul(self: Tensor, other: Any) -> Any:
    if not isinstance(other, (Tensor, jax.Array, np.ndarray)):
        return NotImplemented
    return _call(ROWS["matmul"], (other, self))


def _invert(self: Tensor) -> Any:
    kind = self.dtype
    if kind.is_floating_point or kind.is_complex:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return _call(ROWS["bitwise_not"], (self,))


_attach("__matmul__", _matmul, "The matrix product `self @ other`.")
_attach("__rmatmul__", _rmatmul, "The matrix product `other @ self`.")
_attach("__invert__", _invert, "`~self`: the complement of the bits.")
_attach("__neg__", lambda self: _call(ROWS["neg"], (self,)), "`-self`.")
_attach("__pos__", lambda self: _call(ROWS["positive"], (self,)), "`+self`.")
_attach("__abs__", lambda self: _call(ROWS["abs"], (self,)), "`abs(self)`.")
# Python 2's names, which torch keeps.
Tensor.__rdiv__, Tensor.__div__ = Tensor.__rtruediv__, Tensor.__truediv__
Tensor.__idiv__ = Tensor.__itruediv__
