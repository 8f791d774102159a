"""The functions of `torch` that read and set autocast."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import _autocast as _modes

__all__ = [
    "autocast_decrement_nesting",
    "autocast_increment_nesting",
    "clear_autocast_cache",
    "get_autocast_cpu_dtype",
    "get_autocast_dtype",
    "get_autocast_gpu_dtype",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
    "set_autocast_gpu_dtype",
]


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a device type."""
    return _modes.is_enabled(device_type)


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Turns autocast on or off for a device type (`cuda`, where only the switch is given)."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    _modes.enable(device_type, enabled)


def get_autocast_dtype(device_type: str) -> Any:
    """The lower dtype of a device type."""
    return _modes.lower_dtype(device_type)


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Sets the lower dtype of a device type."""
    _modes.set_lower_dtype(device_type, dtype)


def is_autocast_cpu_enabled() -> bool:
    """`is_autocast_enabled("cpu")`."""
    return _modes.is_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """`set_autocast_enabled("cpu", enabled)`."""
    _modes.enable("cpu", enabled)


def get_autocast_cpu_dtype() -> Any:
    """`get_autocast_dtype("cpu")`."""
    return _modes.lower_dtype("cpu")


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """`set_autocast_dtype("cpu", dtype)`."""
    _modes.set_lower_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> Any:
    """`get_autocast_dtype("cuda")`."""
    return _modes.lower_dtype("cuda")


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """`set_autocast_dtype("cuda", dtype)`."""
    _modes.set_lower_dtype("cuda", dtype)


def is_autocast_cache_enabled() -> bool:
    """Whether casts of leaves are kept."""
    return _modes.switches().caches


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keeps casts of leaves or not."""
    _modes.switches().caches = bool(enabled)
    _modes.switches().publish()


def clear_autocast_cache() -> None:
    """Forgets the casts of leaves."""
    _modes.clear_cache()


def autocast_increment_nesting() -> int:
    """Enters a context by hand; returns the depth."""
    _modes.switches().nesting += 1
    return _modes.switches().nesting


def autocast_decrement_nesting() -> int:
    """Leaves a context by hand; returns the depth."""
    _modes.switches().nesting -= 1
    return _modes.switches().nesting
