"""`autograd.grad_mode`: the gradient modes under torch's module name."""

from __future__ import annotations

import contextlib
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
)

__all__ = [
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


class _Mode(contextlib.ContextDecorator):
    """A switch that acts at once; as a `with` block it goes back on exit."""

    def __init__(self, mode: bool) -> None:
        self.mode, self.before = bool(mode), self.get()
        self.put(self.mode)

    def get(self) -> bool:
        """How the switch stands."""
        return _switches[type(self).__name__]

    def put(self, mode: bool) -> None:
        """Sets the switch."""
        _switches[type(self).__name__] = mode

    def __enter__(self) -> None:
        self.put(self.mode)

    def __exit__(self, *exc: Any) -> None:
        self.put(self.before)

    def clone(self) -> Any:
        """Another one of the same mode."""
        return type(self)(self.mode)


class set_multithreading_enabled(_Mode):
    """Kept, and nothing else: a backward pass here runs in one thread, and XLA in several."""


class _force_original_view_tracking(_Mode):
    """Kept, and nothing else: a view's place in the graph is always made anew from its base."""


class enforce_grad_layout_policy(_Mode):
    """Kept, and nothing else: a gradient here is a storage of its own, in row-major order."""

    def __init__(self, enable: bool = True) -> None:
        super().__init__(enable)


_switches = {
    "set_multithreading_enabled": True,
    "_force_original_view_tracking": False,
    "enforce_grad_layout_policy": True,
}


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` was last set to."""
    return _switches["set_multithreading_enabled"]


def is_view_replay_enabled() -> bool:
    """What `_force_original_view_tracking` was last set to."""
    return _switches["_force_original_view_tracking"]


class _unsafe_preserve_version_counter(contextlib.ContextDecorator):
    """Writes inside of the block are not counted.

    Args:
        tensors: the tensor, or several, whose storages are written to.
    """

    def __init__(self, tensors: Tensor | tuple[Tensor, ...]) -> None:
        self.tensors = (tensors,) if isinstance(tensors, Tensor) else tensors
        self.versions = [t._cell.version for t in self.tensors]

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        for tensor, version in zip(self.tensors, self.versions):
            tensor._cell.version = version
