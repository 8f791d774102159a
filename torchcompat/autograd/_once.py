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
        node = DelayedError([edge_of(x) for x in needs])
        marked = tuple(node.on(x) if isinstance(x, Tensor) else x for x in several)
        return marked if isinstance(found, tuple) else marked[0]

    return backward


class DelayedError(GraphNode):
    """Raises when a backward pass reaches it."""

    __slots__ = ("edges", "outputs")
    _title = "torch::autograd::Error"
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

    def run(self, engine: Any, held: dict) -> list:
        """Raises torch's error."""
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


DelayedError.__name__ = "Error"
