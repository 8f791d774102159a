"""What is known of the running backward pass."""

from __future__ import annotations

import weakref
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._nodes import Accumulate, GraphNode
from torchcompat._tensor._state import state
from torchcompat.autograd.grad_mode import is_multithreading_enabled


def _current_graph_task_id() -> int:
    """The number of the running backward pass; -1 if none is."""
    return -1 if state.backward_pass is None else state.backward_pass.number


def _current_autograd_node() -> Any:
    """The node that is being run, or None."""
    return None if state.backward_pass is None else state.backward_pass.node


def _will_engine_execute_node(node: Any) -> bool:
    """Whether the running backward pass goes through `node`.

    Raises:
        RuntimeError: none is running, it is no node, or a leaf's under `autograd.grad`.
    """
    if not isinstance(node, GraphNode):
        raise RuntimeError(
            f"_will_engine_execute_node expects an grad_fn, but got {type(node).__name__}"
        )
    running = _running("_get_should_execute_nodes")
    if not running.accumulating and isinstance(node, Accumulate):
        raise RuntimeError(
            "A leaf node was passed to _will_engine_execute_node but we are currently running "
            "autograd.grad(). This is currently not supported."
        )
    return node in running.reached


def _current_graph_task_execution_order() -> list:
    """The nodes that the running backward pass goes through from here on, in order.

    Raises:
        RuntimeError: none is running, or `set_multithreading_enabled` is on.
    """
    running = _running("_current_graph_task_execution_order")
    if is_multithreading_enabled():
        raise RuntimeError(
            "get_current_graph_task_execution_order expects the current backward to be executed with "
            "multithreading disabled, e.g. by running:\n\n>>> with torch.autograd."
            "set_multithreading_enabled(False):\n...     torch.autograd.grad(...)\n"
        )
    return running.order()


def _running(name: str) -> Any:
    if state.backward_pass is None:
        raise RuntimeError(f"{name} should only be called during the backward pass")
    return state.backward_pass


class _WeakTensorRef:
    """A reference that does not keep its tensor alive."""

    def __init__(self, tensor: Tensor) -> None:
        self._held = weakref.ref(tensor)

    def expired(self) -> bool:
        """Whether the tensor is gone."""
        return self._held() is None
