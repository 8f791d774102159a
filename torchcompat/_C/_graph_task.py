"""What is known of the running backward pass."""

from __future__ import annotations

import weakref
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._state import state


def _current_graph_task_id() -> int:
    """The number of the running backward pass; -1 if none is."""
    return -1 if state.backward_pass is None else state.backward_pass.number


def _current_autograd_node() -> Any:
    """The node that is being run, or None."""
    return None if state.backward_pass is None else state.backward_pass.node


def _will_engine_execute_node(node: Any) -> bool:
    """Whether the running backward pass goes through `node`.

    Raises:
        RuntimeError: none is running.
    """
    if state.backward_pass is None:
        raise RuntimeError(
            "_get_will_engine_execute_node should only be called during the backward pass"
        )
    return node in state.backward_pass.reached


class _WeakTensorRef:
    """A reference that does not keep its tensor alive."""

    def __init__(self, tensor: Tensor) -> None:
        self._held = weakref.ref(tensor)

    def expired(self) -> bool:
        """Whether the tensor is gone."""
        return self._held() is None
