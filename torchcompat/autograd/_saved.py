"""`SavedTensor`: one tensor that is kept for backward, as a user may take hold of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SavedTensor:
    """One tensor that a node keeps. Only nodes make them.

    Raises:
        RuntimeError: it is called.
    """

    __module__ = "torch._C._autograd"

    def __init__(self) -> None:
        raise RuntimeError("Trying to create a SavedTensor object from Python is forbidden.")

    def register_hooks(self, *hooks: Callable) -> None:
        """Has the tensor go through a pack hook now, and an unpack hook when it is needed.

        Args:
            hooks: the two.

        Raises:
            TypeError: they are not two functions.
            RuntimeError: the tensor has such hooks already, has been freed, or is None.
        """
        if len(hooks) != 2 or not all(map(callable, hooks)):
            shown = ", ".join(map(repr, (self, *hooks)))
            raise TypeError(
                "register_hooks(): incompatible function arguments. The following argument types are "
                "supported:\n    1. (self: torch._C._autograd.SavedTensor, arg0: "
                "collections.abc.Callable, arg1: collections.abc.Callable) -> None\n\nInvoked with: "
                f"{shown}"
            )
        self._hooked(*hooks)

    def _hooked(self, pack_hook: Callable, unpack_hook: Callable) -> Any:
        raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")


class SavedNone(SavedTensor):
    """None, kept in the place of a tensor."""

    def __init__(self) -> None:
        return
