"""`autograd.Variable`: the former name of a Tensor that takes part in autograd."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor

__all__ = ["Variable"]


class _VariableMeta(type):
    """Every Tensor is a Variable."""

    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=_VariableMeta):
    """`Variable(tensor)` is another Tensor over the same storage.

    Args:
        data: the tensor.
        requires_grad: whether the result is a leaf that needs a gradient.
    """

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:
        return data.detach().requires_grad_(requires_grad)
