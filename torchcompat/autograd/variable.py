"""`autograd.Variable`: the former name of a Tensor that takes part in autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._state import state

__all__ = ["Variable"]


class _VariableMeta(type):
    """Every Tensor is a Variable."""

    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class ImperativeEngine:
    """What torch's Python side asks of its engine."""

    def queue_callback(self, callback: Callable[[], None]) -> None:
        """Has `callback` called when the running backward pass has ended.

        Raises:
            RuntimeError: none is running.
        """
        if state.backward_pass is None:
            raise RuntimeError("Final callbacks can only be installed during backward pass.")
        state.backward_pass.finals.append(callback)

    def is_checkpoint_valid(self) -> bool:
        """Whether the running backward pass is one for all leaves."""
        return state.backward_pass is None or state.backward_pass.wanted is None


class Variable(metaclass=_VariableMeta):
    """`Variable(tensor)` is another Tensor over the same storage.

    Args:
        data: the tensor.
        requires_grad: whether the result is a leaf that needs a gradient.
    """

    _execution_engine = ImperativeEngine()

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:
        return data.detach().requires_grad_(requires_grad)
