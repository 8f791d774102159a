"""`torch.backends.mps`: whether JAX runs on Metal."""

from __future__ import annotations

import platform

from torchcompat import mps as _mps
from torchcompat._absent import fill

__all__ = ["is_available", "is_built", "is_macos13_or_newer", "is_macos_or_newer"]


def is_built() -> bool:
    """Whether JAX has a Metal backend."""
    return _mps.is_available()


def is_available() -> bool:
    """Whether JAX has a Metal backend."""
    return _mps.is_available()


def is_macos_or_newer(major: int, minor: int) -> bool:
    """Whether this is macOS of at least that version."""
    found = platform.mac_ver()[0]
    if not found:
        return False
    return tuple(int(n) for n in found.split(".")[:2]) >= (major, minor)


def is_macos13_or_newer(minor: int = 0) -> bool:
    """Whether this is macOS 13 or newer."""
    return is_macos_or_newer(13, minor)


fill(globals(), "JAX does not tell", functions="get_name get_core_count")
