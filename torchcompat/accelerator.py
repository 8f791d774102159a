"""`torch.accelerator`: whatever accelerator JAX runs on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torchcompat import _device, _dtype
from torchcompat._accelerator import Accelerator
from torchcompat._device import device
from torchcompat._streams import Stream
from torchcompat.cuda._names import ACCELERATOR as _CUDA
from torchcompat.mps import ACCELERATOR as _MPS
from torchcompat.xpu import ACCELERATOR as _XPU

_TPU = Accelerator("tpu", "TPU")
_BY_KIND = {"cuda": _CUDA, "mps": _MPS, "xpu": _XPU, "tpu": _TPU}


def _found() -> Accelerator | None:
    return _BY_KIND.get(_device.default_accelerator())


def _the_one() -> Accelerator:
    found = _found()
    if found is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return found


def is_available() -> bool:
    """Whether JAX runs on an accelerator."""
    return _found() is not None


def device_count() -> int:
    """How many devices it has; 0 without one."""
    found = _found()
    return 0 if found is None else found.device_count()


def current_accelerator(check_available: bool = False) -> device | None:
    """The accelerator's device type, or None."""
    found = _found()
    return None if found is None else device(found.kind)


def current_device_index() -> int:
    """The number of the current device.

    Raises:
        RuntimeError: there is no accelerator.
    """
    return _the_one().current_device()


def set_device_index(device: Any) -> None:
    """Makes a device the current one.

    Raises:
        RuntimeError: there is no accelerator.
    """
    _the_one().set_device(device)


current_device_idx, set_device_idx = current_device_index, set_device_index


@contextlib.contextmanager
def device_index(device: int | None) -> Iterator[None]:
    """Makes a device the current one inside a `with` block; None changes nothing."""
    if device is None:
        yield
        return
    one = _the_one()
    before = one.current
    one.set_device(device)
    try:
        yield
    finally:
        one.current = before


def current_stream(device: Any = None) -> Stream:
    """The queue of a device."""
    return _the_one().current_stream(device)


def set_stream(stream: Stream) -> None:
    """Makes the device of a stream the current one."""
    _the_one().set_stream(stream)


def synchronize(device: Any = None) -> None:
    """Waits for all work on a device."""
    _the_one().synchronize(device)


def empty_cache() -> None:
    """Nothing to do: JAX keeps its own pool of memory."""


def empty_host_cache() -> None:
    """Nothing to do: JAX keeps its own pool of memory."""


def get_device_capability(device: Any = None) -> dict[str, Any]:
    """What a device can do: the dtypes it has."""
    _the_one()._one(device)
    return {"supported_dtypes": set(_dtype.BY_NAME.values())}


def memory_stats(device: Any = None) -> dict[str, int]:
    """What JAX counts of a device's memory."""
    found = _found()
    return {} if found is None else found.memory_stats(device)


def memory_allocated(device: Any = None) -> int:
    """Bytes in use."""
    found = _found()
    return 0 if found is None else found.memory_allocated(device)


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that have been in use."""
    found = _found()
    return 0 if found is None else found.max_memory_allocated(device)


def memory_reserved(device: Any = None) -> int:
    """Bytes that JAX holds."""
    found = _found()
    return 0 if found is None else found.memory_reserved(device)


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that JAX has held."""
    found = _found()
    return 0 if found is None else found.max_memory_reserved(device)


def get_memory_info(device: Any = None) -> tuple[int, int]:
    """Bytes free and bytes in all."""
    return _the_one().mem_get_info(device)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Restarts the peaks, where JAX can."""
    found = _found()
    if found is not None:
        found.reset_peak_memory_stats(device)


reset_accumulated_memory_stats = reset_peak_memory_stats
