"""The gradient modes: `no_grad`, `enable_grad`, `inference_mode`, `set_grad_enabled`."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from torchcompat._tensor._state import state

_CLASS = (
    "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
    "functions or methods. To preserve the current behavior of class decoration, you can directly "
    "decorate the `__init__` method and nothing else."
)


class _GradMode:
    """A context manager, decorator and (for `set_grad_enabled`) switch of gradient recording."""

    mode = True

    def __init__(self) -> None:
        self.before: list[bool] = []

    def __enter__(self) -> None:
        self.before.append(state.grad_enabled)
        state.grad_enabled = self.mode and not state.inference

    def __exit__(self, *exc: object) -> None:
        state.grad_enabled = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        if inspect.isclass(function):
            warnings.warn(_CLASS, FutureWarning, stacklevel=2)
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return inside

    def _around_generator(self, function: Callable) -> Callable:
        """A generator function that runs in this mode, and in the caller's while it is suspended."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Iterator:
            with self.clone():
                running = function(*args, **kwargs)
            step, given = running.send, None
            while True:
                try:
                    with self.clone():
                        found = step(given)
                except StopIteration as end:
                    return end.value
                step, given = running.send, None
                try:
                    given = yield found
                except GeneratorExit:
                    with self.clone():
                        running.close()
                    raise
                except BaseException as error:
                    step, given = running.throw, error

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
    """`no_grad` whose tensors can take no part in autograd later (`mode=False` turns it off)."""

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if not callable(mode):
            return self
        self.__init__()
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = not mode
        self.outside: list[bool] = []

    def __enter__(self) -> None:
        self.outside.append(state.inference)
        state.inference = not self.mode
        super().__enter__()

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        state.inference = self.outside.pop()

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


def is_inference_mode_enabled() -> bool:
    """Whether tensors made now can take no part in autograd later."""
    return state.inference


def is_anomaly_enabled() -> bool:
    """Whether errors in backward name the forward op."""
    return state.anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether a derivative with a NaN is an error."""
    return state.anomaly is None or state.anomaly.check_nan
