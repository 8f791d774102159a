"""`torch.cpu`: the CPU under the names that accelerators have."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from typing import Any

from torchcompat import _streams
from torchcompat._streams import Event, Stream
from torchcompat.backends.cpu import get_cpu_capability

__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "get_capabilities",
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


def get_capabilities() -> dict[str, Any]:
    """What the processor can do, as far as `torch.backends.cpu` tells it apart."""
    level = get_cpu_capability()
    return {
        "architecture": platform.machine(),
        "num_logical_cores": os.cpu_count(),
        "avx2": level in ("AVX2", "AVX512"),
        **{f"avx512_{part}": level == "AVX512" for part in ("f", "bw", "dq", "vl")},
    }


def _is_avx2_supported() -> bool:
    return bool(get_capabilities()["avx2"])


def _is_avx512_supported() -> bool:
    return bool(get_capabilities()["avx512_f"])
