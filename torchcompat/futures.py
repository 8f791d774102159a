"""`torch.futures`: a value that may come later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A value that another piece of code sets.

    Args:
        devices: devices the value lives on; must all be of one type.
    """

    def __init__(self, *, devices: list | None = None) -> None:
        self._devices = devices or []
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable] = []

    def done(self) -> bool:
        """Whether the value or an error has been set."""
        return self._event.is_set()

    def wait(self) -> T:
        """The value, waited for.

        Raises:
            Exception: whatever was set instead of a value.
        """
        self._event.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def value(self) -> T:
        """The value, which must be there.

        Raises:
            RuntimeError: it is not.
        """
        if not self.done():
            raise RuntimeError("value() can only be called after the future is completed")
        return self.wait()

    def set_result(self, result: T) -> None:
        """Sets the value.

        Raises:
            RuntimeError: it has been set before.
        """
        self._finish(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Sets an error, which `wait` raises.

        Raises:
            AssertionError: `result` is no exception.
        """
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        with self._lock:
            if self.done():
                raise RuntimeError("Future can only be marked completed once.")
            self._value, self._error = value, error
            self._event.set()
        for callback in self._callbacks:
            callback(self)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Calls `callback(self)` once this is done; at once if it is."""
        with self._lock:
            if not self.done():
                self._callbacks.append(callback)
                return
        callback(self)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future:
        """A future of `callback(self)`, called once this is done."""
        following: Future = Future()

        def run(done: Future) -> None:
            try:
                following.set_result(callback(done))
            except Exception as error:
                following.set_exception(error)

        self.add_done_callback(run)
        return following


def wait_all(futures: list[Future]) -> list:
    """The values of all, waited for; the first error is raised."""
    return [one.wait() for one in futures]


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A future of the list of all, done when all are."""
    result: Future = Future()
    left = [len(futures)]

    def count(_: Future) -> None:
        left[0] -= 1
        if not left[0]:
            result.set_result(futures)

    for one in futures:
        one.add_done_callback(count)
    if not futures:
        result.set_result(futures)
    return result
