"""Streams and events: JAX orders the work of each device itself, so a stream is its device's queue."""

from __future__ import annotations

import time
from typing import Any

import jax

from torchcompat import _device
from torchcompat._device import device as Device


class Stream:
    """A queue of work on a device. All streams of a device are JAX's one queue.

    Args:
        device: the device; default: the accelerator, or the CPU where there is none.
        priority: accepted; there is one queue.
    """

    kind: str | None = None

    def __init__(self, device: Any = None, priority: int = 0, **options: Any) -> None:
        self.device = Device(device or self.kind or _device.default_accelerator())
        if self.device.type != "cpu":
            _device.to_jax(self.device)
        self.priority = priority
        self.stream_id = 0

    @property
    def device_index(self) -> int:
        """The device's number."""
        return -1 if self.device.index is None else self.device.index

    @property
    def device_type(self) -> str:
        """The device's type."""
        return self.device.type

    def synchronize(self) -> None:
        """Waits for all work that has been given to the device."""
        synchronize(self.device)

    def query(self) -> bool:
        """True, after waiting: JAX does not tell how far a device is."""
        self.synchronize()
        return True

    def wait_stream(self, stream: Stream) -> None:
        """Nothing to wait for: the device has one queue, and other devices' results are waited for."""

    def wait_event(self, event: Event) -> None:
        """Nothing to wait for, as in `wait_stream`."""

    def record_event(self, event: Event | None = None) -> Event:
        """Records `event` (a new one if None) here, and returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.device == self.device

    def __hash__(self) -> int:
        return hash((self.stream_id, self.device))

    def __repr__(self) -> str:
        return (
            f"torch.Stream device_type={self.device.type}, device_index={self.device_index}, "
            f"stream_id={self.stream_id}"
        )


class Event:
    """A mark in a queue; recording it waits for the work before it.

    Args:
        enable_timing: whether the time is taken.
    """

    def __init__(
        self,
        device: Any = None,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
        external: bool = False,
    ) -> None:
        if interprocess or external:
            raise NotImplementedError("Event: interprocess and external events")
        self.enable_timing = enable_timing
        self.device = device
        self.event_id = 0
        self._time: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Marks the present end of the queue."""
        stream = Stream() if stream is None else stream
        stream.synchronize()
        self.device, self._time = stream.device, time.perf_counter()

    def wait(self, stream: Stream | None = None) -> None:
        """Nothing to wait for: what was recorded is done."""

    def query(self) -> bool:
        """True: what was recorded is done."""
        return True

    def synchronize(self) -> None:
        """Nothing to wait for: what was recorded is done."""

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to another.

        Raises:
            ValueError: one was made without `enable_timing`, or not recorded.
        """
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._time is None or end_event._time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._time - self._time) * 1e3


def synchronize(device: Any = None) -> None:
    """Waits for all work that has been given to a device (default: every one)."""
    kind = None if device is None else _device.to_jax(Device(device))
    for array in jax.live_arrays() if kind is None else jax.live_arrays(kind.platform):
        if not array.is_deleted():
            array.block_until_ready()
