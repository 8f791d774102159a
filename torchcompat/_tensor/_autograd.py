"""The gradient modes: `no_grad`, `enable_grad`, `inference_mode`, `set_grad_enabled`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torchcompat._tensor._state import state


class _GradMode:
    """A context manager, decorator and (for `set_grad_enabled`) switch of gradient recording."""

    mode = True

    def __init__(self) -> None:
        self.before: list[bool] = []

    def __enter__(self) -> None:
        self.before.append(state.grad_enabled)
        state.grad_enabled = self.mode

    def __exit__(self, *exc: object) -> None:
        state.grad_enabled = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return inside

    def clone(self) -> _GradMode:
        return type(self)()


class no_grad(_GradMode):
    """Turns recording off inside a `with` block or a decorated function."""

    mode = False

    def __new__(cls, function: Callable | None = None) -> Any:
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()
        return self(function)

    def __init__(self, function: Callable | None = None) -> None:
        super().__init__()


class enable_grad(no_grad):
    """Turns recording on inside a `with` block or a decorated function."""

    mode = True


class inference_mode(_GradMode):
    """`no_grad` under another name, as a context manager or decorator (`mode=False` records)."""

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if not callable(mode):
            return self
        self.__init__()
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = not mode

    def clone(self) -> inference_mode:
        return inference_mode(not self.mode)


class set_grad_enabled(_GradMode):
    """Sets recording at once; as a context manager it restores the former mode on exit."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self.entered_from = state.grad_enabled
        state.grad_enabled = self.mode

    def __enter__(self) -> None:
        self.before.append(self.entered_from)
        state.grad_enabled = self.mode

    def __call__(self, function: Callable) -> Callable:
        state.grad_enabled = self.entered_from
        return super().__call__(function)

    def clone(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded."""
    return state.grad_enabled
