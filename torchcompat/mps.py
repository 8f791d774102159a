"""`torch.mps`: JAX's Metal backend; truthfully none where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchcompat._absent import fill
from torchcompat._accelerator import Accelerator

ACCELERATOR = Accelerator("mps", "MPS")
_NAMES = """is_available device_count get_rng_state set_rng_state manual_seed seed Event is_initialized
is_bf16_supported current_device"""
_EXPORTS = ACCELERATOR.exports()
globals().update({name: _EXPORTS[name] for name in _NAMES.split()})
__all__ = [
    *_NAMES.split(),
    "current_allocated_memory",
    "driver_allocated_memory",
    "empty_cache",
    "recommended_max_memory",
    "set_per_process_memory_fraction",
    "synchronize",
]


def _need(name: str) -> None:
    if not ACCELERATOR.is_available():
        raise RuntimeError(f"Cannot execute {name}() without MPS backend.")


def synchronize() -> None:
    """Waits for all work."""
    _need("synchronize")
    ACCELERATOR.synchronize()


def empty_cache() -> None:
    """Nothing to do: JAX keeps its own pool of memory."""
    _need("emptyCache")


def current_allocated_memory() -> int:
    """Bytes in use."""
    _need("getCurrentAllocatedMemory")
    return ACCELERATOR.memory_allocated()


def driver_allocated_memory() -> int:
    """Bytes that JAX holds."""
    _need("getDriverAllocatedMemory")
    return ACCELERATOR.memory_reserved()


def recommended_max_memory() -> int:
    """Bytes in all."""
    _need("recommendedMaxMemory")
    return ACCELERATOR.mem_get_info()[1]


def set_per_process_memory_fraction(fraction: Any) -> None:
    """Refused: JAX sets no limit on Metal."""
    _need("setMemoryFraction")
    ACCELERATOR.set_per_process_memory_fraction(fraction)


fill(globals(), "XLA compiles its own shaders", functions="compile_shader load_metallib profiler")

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
