"""`torch._C._autograd`: what is kept for backward, and the hooks on it."""

from __future__ import annotations

from collections.abc import Callable

from torchcompat._tensor._state import state
from torchcompat.autograd._saved import SavedTensor
from torchcompat.autograd.graph import saved_tensors_hooks

__all__ = ["SavedTensor"]


def _get_current_graph_task_keep_graph() -> bool:
    """Whether the running backward pass keeps what the graph saved; true where none is running."""
    return state.backward_pass is None or state.backward_pass.retain_graph


def _saved_tensors_hooks_is_enabled() -> bool:
    """Whether saved-tensor hooks may be installed."""
    return state.saved_hooks_refused is None


def _saved_tensors_hooks_disable(error_message: str, fail_if_non_empty: bool = True) -> None:
    """Has installing saved-tensor hooks raise `error_message`.

    Raises:
        RuntimeError: there are such hooks.
    """
    if state.saved_hooks and fail_if_non_empty:
        raise RuntimeError(error_message)
    state.saved_hooks_refused = error_message


def _saved_tensors_hooks_enable() -> None:
    """Lets saved-tensor hooks be installed again."""
    state.saved_hooks_refused = None


def _saved_tensors_hooks_get_disabled_error_message() -> str | None:
    """What installing saved-tensor hooks raises, or None."""
    return state.saved_hooks_refused


def _push_saved_tensors_default_hooks(pack_hook: Callable, unpack_hook: Callable) -> None:
    """Installs saved-tensor hooks.

    Raises:
        RuntimeError: they are refused.
    """
    saved_tensors_hooks(pack_hook, unpack_hook).__enter__()


def _pop_saved_tensors_default_hooks() -> None:
    """Takes the innermost saved-tensor hooks out."""
    state.saved_hooks = state.saved_hooks[:-1]


def _top_saved_tensors_default_hooks(ignore_is_tracing: bool = False) -> tuple | None:
    """The innermost saved-tensor hooks, or None."""
    return state.saved_hooks[-1] if state.saved_hooks else None
