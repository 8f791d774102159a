"""What functorch's modules share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["argnums_t", "enable_single_level_autograd_function", "exposed_in"]
argnums_t = int | tuple[int, ...]


@contextlib.contextmanager
def enable_single_level_autograd_function() -> Iterator[None]:
    """Does nothing: a Function works under all transformations."""
    yield


def exposed_in(module: str) -> Callable:
    """Gives a function the module name that it is shown under."""

    def wrapper(fn: Callable) -> Callable:
        fn.__module__ = module
        return fn

    return wrapper
