"""`torch.cpu`: the CPU under the names that accelerators have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torchcompat import _streams
from torchcompat._streams import Event, Stream

__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "is_available",
    "is_initialized",
    "set_device",
    "stream",
    "synchronize",
]


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """The string "cpu"."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing to do: there is one."""


def synchronize(device: Any = None) -> None:
    """Waits for all work."""
    _streams.synchronize("cpu")


def current_stream(device: Any = None) -> Stream:
    """The CPU's queue."""
    return Stream("cpu")


@contextlib.contextmanager
def stream(stream: Any) -> Iterator[None]:
    """A context that changes nothing: there is one queue."""
    yield


StreamContext = stream
