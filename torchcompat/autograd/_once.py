"""`once_differentiable`: a derivative that cannot be differentiated again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._graph import same_storage
from torchcompat._tensor._nodes import GraphNode, edge_of
from torchcompat._tensor._state import sequence, state


def once_differentiable(fn: Callable) -> Callable:
    """For a `backward` that cannot be differentiated: trying to raises."""

    @functools.wraps(fn)
    def backward(ctx: Any, *args: Any) -> Any:
        with no_grad():
            found = fn(ctx, *args)
        needs = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
        if not (state.grad_enabled and needs):
            return found
        several = found if isinstance(found, tuple) else (found,)
        node = ErrorNode(_TWICE, [edge_of(x) for x in needs])
        marked = tuple(node.on(x) if isinstance(x, Tensor) else x for x in several)
        return marked if isinstance(found, tuple) else marked[0]

    return backward


_TWICE = "trying to differentiate twice a function that was marked with @once_differentiable"


class _Passed(GraphNode):
    """A node that hands its inputs on.

    Args:
        edges: where the inputs came from.
    """

    __slots__ = ("edges", "outputs")
    made_at = None

    def __init__(self, edges: list) -> None:
        self.serial, self.extra = sequence(), None
        self.edges = edges
        self.outputs: list = []

    def on(self, tensor: Tensor) -> Tensor:
        """`tensor` as a result of this node."""
        twin = same_storage(tensor)
        self.outputs.append((len(self.outputs), tuple(twin.shape), twin._cell.value.dtype))
        twin._grad_fn, twin._output_nr = self, len(self.outputs) - 1
        twin._requires_grad = True
        return twin


class ErrorNode(_Passed):
    """Raises `message` when a backward pass reaches it."""

    __slots__ = ("message",)
    _title = "torch::autograd::Error"

    def __init__(self, message: str, edges: list) -> None:
        super().__init__(edges)
        self.message = message

    def run(self, engine: Any, held: dict) -> list:
        """Raises the error."""
        raise RuntimeError(self.message)


class UndefinedNode(_Passed):
    """Hands no gradient on."""

    __slots__ = ()
    _title = "torch::autograd::UndefinedGradBackward"

    def run(self, engine: Any, held: dict) -> list:
        """No gradient for each input."""
        return [None] * len(self.edges)


ErrorNode.__name__, UndefinedNode.__name__ = "Error", "UndefinedGradBackward"


class DelayedError:
    """`DelayedError(message, number)(*tensors)`: the tensors, whose derivative raises `message`."""

    def __init__(self, message: str, number: int) -> None:
        self.message = message

    def __call__(self, *tensors: Tensor) -> Any:
        node = ErrorNode(self.message, [edge_of(x) for x in tensors])
        return _all_on(node, tensors)


class UndefinedGrad:
    """`UndefinedGrad()(*tensors)`: the tensors, whose gradients go no further."""

    def __call__(self, *tensors: Tensor) -> Any:
        return _all_on(UndefinedNode([edge_of(x) for x in tensors]), tensors)


def _all_on(node: _Passed, tensors: tuple[Tensor, ...]) -> Any:
    found = tuple(map(node.on, tensors))
    return found[0] if len(found) == 1 else found
