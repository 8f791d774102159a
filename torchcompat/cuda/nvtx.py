"""`torch.cuda.nvtx`: ranges in a profile, by way of JAX's own annotations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

__all__ = ["mark", "range", "range_pop", "range_push"]

_open: list[Any] = []


def range_push(msg: str) -> int:
    """Opens a range; returns its depth."""
    annotation = jax.profiler.TraceAnnotation(msg)
    annotation.__enter__()
    _open.append(annotation)
    return len(_open) - 1


def range_pop() -> int:
    """Closes the range opened last; returns its depth."""
    _open.pop().__exit__(None, None, None)
    return len(_open)


def mark(msg: str) -> None:
    """A range of no length."""
    with jax.profiler.TraceAnnotation(msg):
        return


@contextlib.contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A range around a `with` block or a function; `msg` is formatted with the arguments."""
    with jax.profiler.TraceAnnotation(msg.format(*args, **kwargs)):
        yield
