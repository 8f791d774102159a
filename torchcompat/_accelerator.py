"""What is known of JAX's devices of one type, under the names that `torch.cuda`, `torch.xpu`, ... have."""

from __future__ import annotations

import types
from typing import Any

import jax

from torchcompat import _device, _random
from torchcompat._device import device as Device
from torchcompat._streams import Event, Stream, synchronize
from torchcompat._tensor._sampling import Generator


class Accelerator:
    """The devices of one type. Its methods are the functions of the module of that name.

    Args:
        kind: torch's device type, "cuda".
        title: its name in errors, "CUDA".
    """

    def __init__(self, kind: str, title: str) -> None:
        self.kind, self.title = kind, title
        self.current = 0

    def _devices(self) -> list[jax.Device]:
        try:
            return jax.devices(_device._PLATFORMS.get(self.kind, self.kind))
        except RuntimeError:
            return []

    def _one(self, device: Any = None) -> jax.Device:
        devices = self._devices()
        if not devices:
            raise AssertionError(f"Torch not compiled with {self.title} enabled")
        index = self.index_of(device)
        if not 0 <= index < len(devices):
            raise AssertionError("Invalid device id")
        return devices[index]

    def index_of(self, device: Any) -> int:
        """A device's number; the current one's for None."""
        if device is None:
            return self.current
        if isinstance(device, int):
            return self.current if device < 0 else device
        found = Device(device)
        if found.type != self.kind:
            raise ValueError(f"Expected a {self.kind} device, but got: {found}")
        return self.current if found.index is None else found.index

    def exports(self) -> dict[str, Any]:
        """The public functions and classes, by name."""
        names = [n for n in dir(self) if not n.startswith("_") and n not in _INTERNAL]
        return {name: getattr(self, name) for name in names} | self._classes()

    def _classes(self) -> dict[str, Any]:
        one = self

        class device:
            """Makes a device the current one inside a `with` block."""

            def __init__(self, device: Any) -> None:
                self.idx = one.index_of(device)

            def __enter__(self) -> None:
                self.before = one.current
                one.set_device(self.idx)

            def __exit__(self, *exc: object) -> None:
                one.current = self.before

        class device_of(device):
            """Makes the device of a tensor the current one inside a `with` block."""

            def __init__(self, obj: Any) -> None:
                super().__init__(obj.device.index if obj.device.type == one.kind else None)

        own = type("Stream", (Stream,), {"kind": self.kind, "__module__": f"torch.{self.kind}"})

        class StreamContext:
            """Makes a stream the current one inside a `with` block: every device has one queue."""

            def __init__(self, stream: Any) -> None:
                self.stream = stream

            def __enter__(self) -> None:
                return None

            def __exit__(self, *exc: object) -> None:
                return None

        return {
            "device": device,
            "device_of": device_of,
            "Stream": own,
            "Event": Event,
            "StreamContext": StreamContext,
        }

    # -- which devices there are ------------------------------------------------------------------

    def is_available(self) -> bool:
        """Whether JAX has a device of this type."""
        return bool(self._devices())

    def device_count(self) -> int:
        """How many devices of this type JAX has."""
        return len(self._devices())

    def is_initialized(self) -> bool:
        """Whether there is a device: JAX starts its backends together."""
        return self.is_available()

    def init(self) -> None:
        """Starts the backend.

        Raises:
            AssertionError: there is none of this type.
        """
        self._one()

    def current_device(self) -> int:
        """The number of the current device.

        Raises:
            AssertionError: there is none.
        """
        self._one()
        return self.current

    def set_device(self, device: Any) -> None:
        """Makes a device the current one.

        Raises:
            AssertionError: there is no such device.
        """
        index = self.index_of(device)
        self._one(index)
        self.current = index

    def get_device_name(self, device: Any = None) -> str:
        """The name of a device."""
        return self._one(device).device_kind

    def get_device_capability(self, device: Any = None) -> tuple[int, int]:
        """The compute capability of a device, as `(major, minor)`."""
        major, _, minor = str(getattr(self._one(device), "compute_capability", "0.0")).partition(
            "."
        )
        return int(major), int(minor or 0)

    def get_device_properties(self, device: Any = None) -> types.SimpleNamespace:
        """Name, memory, capability and number of cores of a device."""
        found = self._one(device)
        major, minor = self.get_device_capability(device)
        return types.SimpleNamespace(
            name=found.device_kind,
            major=major,
            minor=minor,
            total_memory=self._stats(device).get("bytes_limit", 0),
            multi_processor_count=getattr(found, "core_count", None) or 0,
        )

    def get_arch_list(self) -> list[str]:
        """The architectures code was compiled for: none, XLA compiles for the device at hand."""
        return []

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        """Whether bfloat16 works: XLA has it on every device."""
        return self.is_available()

    def is_tf32_supported(self) -> bool:
        """Whether a device has TensorFloat-32."""
        return self.is_available() and self.get_device_capability()[0] >= 8

    def can_device_access_peer(self, device: Any, peer_device: Any) -> bool:
        """Whether two devices can copy to each other: JAX does it for all of one type."""
        return self._one(device) is not self._one(peer_device)

    # -- memory -----------------------------------------------------------------------------------

    def _stats(self, device: Any = None) -> dict[str, int]:
        if not self._devices():
            return {}
        return self._one(device).memory_stats() or {}

    def memory_stats(self, device: Any = None) -> dict[str, int]:
        """What JAX counts of a device's memory; empty where there is no such device."""
        return dict(self._stats(device))

    def memory_allocated(self, device: Any = None) -> int:
        """Bytes in use."""
        return self._stats(device).get("bytes_in_use", 0)

    def max_memory_allocated(self, device: Any = None) -> int:
        """The most bytes that have been in use."""
        return self._stats(device).get("peak_bytes_in_use", 0)

    def memory_reserved(self, device: Any = None) -> int:
        """Bytes that JAX holds."""
        return self._stats(device).get("bytes_reserved", self.memory_allocated(device))

    def max_memory_reserved(self, device: Any = None) -> int:
        """The most bytes that JAX has held."""
        return self._stats(device).get("peak_bytes_reserved", self.max_memory_allocated(device))

    memory_cached, max_memory_cached = memory_reserved, max_memory_reserved

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        """Bytes free and bytes in all."""
        self._one(device)
        total = self._stats(device).get("bytes_limit", 0)
        return total - self.memory_allocated(device), total

    def empty_cache(self) -> None:
        """Nothing to do: JAX keeps its own pool of memory."""

    def ipc_collect(self) -> None:
        """Nothing to do: tensors are not shared between processes."""

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        """Restarts the peaks.

        Raises:
            NotImplementedError: JAX's peaks cannot be restarted.
        """
        if self._devices():
            raise NotImplementedError(
                f"torch.{self.kind}.reset_peak_memory_stats: JAX keeps its peak"
            )

    reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats
    reset_accumulated_memory_stats = reset_peak_memory_stats

    def set_per_process_memory_fraction(self, fraction: float, device: Any = None) -> None:
        """Refused: the environment variable XLA_PYTHON_CLIENT_MEM_FRACTION does it."""
        raise NotImplementedError(
            f"torch.{self.kind}.set_per_process_memory_fraction: set XLA_PYTHON_CLIENT_MEM_FRACTION"
        )

    # -- work ---------------------------------------------------------------------------------------

    def synchronize(self, device: Any = None) -> None:
        """Waits for all work on a device.

        Raises:
            AssertionError: there is none.
        """
        self._one(device)
        synchronize(Device(self.kind, self.index_of(device)))

    def current_stream(self, device: Any = None) -> Stream:
        """The queue of a device."""
        self._one(device)
        return Stream(Device(self.kind, self.index_of(device)))

    default_stream = current_stream

    def stream(self, stream: Any) -> Any:
        """A context in which `stream` is the current one; None changes nothing."""
        return self._classes()["StreamContext"](stream)

    def set_stream(self, stream: Stream) -> None:
        """Makes the device of a stream the current one."""
        self.set_device(stream.device)

    def is_current_stream_capturing(self) -> bool:
        """False: no graphs of kernels are recorded."""
        return False

    # -- random numbers ------------------------------------------------------------------------------

    def manual_seed(self, seed: int) -> None:
        """Seeds the default generator, if there is a device: there is one generator for all."""
        if self._devices():
            _random.manual_seed(seed)

    manual_seed_all = manual_seed

    def seed(self) -> None:
        """Seeds the default generator by chance, if there is a device."""
        if self._devices():
            _random.seed()

    seed_all = seed

    def initial_seed(self) -> int:
        """The seed of the default generator."""
        self._one()
        return _random.initial_seed()

    def get_rng_state(self, device: Any = None) -> Any:
        """The state of the default generator."""
        self._one(device if not isinstance(device, str) or ":" in device else None)
        return _random.default_generator.get_state()

    def get_rng_state_all(self) -> list:
        """The state of the default generator, once for each device."""
        return [_random.default_generator.get_state() for _ in self._devices()]

    def set_rng_state(self, new_state: Any, device: Any = None) -> None:
        """Sets the state of the default generator."""
        self._one(device if not isinstance(device, str) or ":" in device else None)
        _random.default_generator.set_state(new_state)

    def set_rng_state_all(self, new_states: Any) -> None:
        """Sets the state of the default generator from the first of `new_states`."""
        for state in list(new_states)[:1]:
            self.set_rng_state(state)

    @property
    def default_generators(self) -> tuple[Generator, ...]:
        """The default generator, once for each device."""
        return tuple(_random.default_generator for _ in self._devices())


_INTERNAL = {"kind", "title", "current", "index_of", "exports"}
