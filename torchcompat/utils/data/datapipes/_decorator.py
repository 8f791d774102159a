"""Decorators of DataPipe classes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from torchcompat.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = [
    "argument_validation",
    "functional_datapipe",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "runtime_validation",
    "runtime_validation_disabled",
]
_deterministic = [False]


class functional_datapipe:
    """Makes a DataPipe class a method of all DataPipes of its kind.

    Args:
        name: the method.
        enable_df_api_tracing: accepted.
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name

    def __call__(self, cls: Any) -> Any:
        if not (isinstance(cls, type) and issubclass(cls, (IterDataPipe, MapDataPipe))):
            raise TypeError("`functional_datapipe` can only decorate IterDataPipe or MapDataPipe")
        kind: Any = IterDataPipe if issubclass(cls, IterDataPipe) else MapDataPipe
        kind.register_datapipe_as_function(self.name, cls)
        return cls


class guaranteed_datapipes_determinism:
    """Inside of the block a pipe that is not deterministic is refused."""

    def __init__(self) -> None:
        self.before = _deterministic[0]
        _deterministic[0] = True

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _deterministic[0] = self.before


class non_deterministic:
    """Marks a class, or under some arguments, as not deterministic.

    Args:
        arg: the class, or what says of the arguments whether it is not.
    """

    cls: Any = None

    def __init__(self, arg: Any) -> None:
        if isinstance(arg, type):
            self.cls, self.decides = arg, lambda *args, **kwargs: True
        else:
            self.decides = arg

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.cls is None:
            self.cls = args[0]
            return self._made
        return self._made(*args, **kwargs)

    def _made(self, *args: Any, **kwargs: Any) -> Any:
        if _deterministic[0] and self.decides(*args, **kwargs):
            raise TypeError(
                f"{self.cls.__name__} is non-deterministic with the inputs, but you set "
                "'guaranteed_datapipes_determinism'. You can turn off determinism for this DataPipe "
                "if that is acceptable for your application"
            )
        return self.cls(*args, **kwargs)


def argument_validation(f: Callable) -> Callable:
    """The function itself: types are not checked."""
    return f


def runtime_validation(f: Callable) -> Callable:
    """The function itself: types are not checked."""
    return functools.wraps(f)(lambda *args, **kwargs: f(*args, **kwargs))


class runtime_validation_disabled(contextlib.nullcontext):
    """A block in which types are not checked, as nowhere."""
