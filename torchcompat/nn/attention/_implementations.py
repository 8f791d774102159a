"""The registry of flash attention implementations: kept and reported, since XLA compiles its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

_BUILT_IN = ("FA3", "FA4")
_registered: dict[str, Callable[..., Any]] = {}
# The implementation in use, and what its `register_fn` returned to undo it with.
_active: tuple[str, Any] | None = None


def register_flash_attention_impl(impl: str, *, register_fn: Callable[..., Any]) -> None:
    """Names an implementation.

    Args:
        register_fn: called on activation; may return an object whose `remove()` undoes it.
    """
    _registered[impl] = register_fn


def list_flash_attention_impls() -> list[str]:
    """The names that `activate_flash_attention_impl` knows."""
    return sorted({*_BUILT_IN, *_registered})


def activate_flash_attention_impl(impl: str) -> None:
    """Calls the `register_fn` of an implementation, after undoing the one that is active.

    Raises:
        ValueError: the name is not registered.
        NotImplementedError: it is one of torch's own, which are CUDA kernels.
    """
    global _active
    if impl not in list_flash_attention_impls():
        raise ValueError(
            f"Unknown flash attention impl '{impl}'. Available implementations: "
            f"{list_flash_attention_impls()}"
        )
    if impl not in _registered:
        raise NotImplementedError(f"activate_flash_attention_impl: impl={impl!r} is a CUDA kernel")
    if _active is not None:
        restore_flash_attention_impl()
    handle = _registered[impl]()
    _active = None if handle is None else (impl, handle)


def current_flash_attention_impl() -> str | None:
    """The implementation that was activated, or None."""
    return None if _active is None else _active[0]


def restore_flash_attention_impl(_raise_warn: bool = True) -> None:
    """Undoes the activation of an implementation."""
    global _active
    if _active is None:
        if _raise_warn:
            warnings.warn(
                "Trying to restore the default implementation when none was activated",
                stacklevel=2,
            )
        return
    _active[1].remove()
    _active = None
