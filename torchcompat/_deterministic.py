"""`use_deterministic_algorithms`. XLA's programs on the CPU give the same numbers at every run."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchcompat._dtype import dtype as Dtype

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_deterministic_debug_mode",
    "is_deterministic_algorithms_warn_only_enabled",
    "set_deterministic_debug_mode",
    "use_deterministic_algorithms",
]

_MODES = {"default": 0, "warn": 1, "error": 2}
_mode = [0]
# Whether `empty` fills its memory with `uninitialized` when the same numbers are asked for.
_fill = [True]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Asks for the same numbers at every run.

    On the CPU they are anyway; for GPUs start the process with `XLA_FLAGS=--xla_gpu_deterministic_ops=true`.
    """
    _mode[0] = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """Whether the same numbers were asked for."""
    return _mode[0] > 0


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether only a warning was asked for."""
    return _mode[0] == 1


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Sets the mode by number or name: "default" (0), "warn" (1), "error" (2).

    Raises:
        TypeError: it is neither.
        RuntimeError: there is no such mode.
    """
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str) and debug_mode not in _MODES:
        raise RuntimeError(
            "invalid value of debug_mode, expected one of `default`, `warn`, `error`, "
            f"but got {debug_mode}"
        )
    number = _MODES[debug_mode] if isinstance(debug_mode, str) else debug_mode
    if number not in _MODES.values():
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {number}")
    _mode[0] = number


def get_deterministic_debug_mode() -> int:
    """The mode as a number."""
    return _mode[0]


def get_fill_uninitialized_memory() -> bool:
    """Whether fresh memory is filled with NaN or the largest number when the same numbers are asked for."""
    return _fill[0]


def set_fill_uninitialized_memory(mode: bool) -> None:
    """Sets whether fresh memory is filled.

    Raises:
        RuntimeError: `mode` is no bool.
    """
    if not isinstance(mode, bool):
        raise RuntimeError(f"expected a bool, but got {type(mode)}")
    _fill[0] = mode


def uninitialized(kind: Dtype) -> Any:
    """What a fresh element of a type is: 0, or what torch fills it with to show that it is not set."""
    if not (_mode[0] and _fill[0]):
        return 0
    if kind.is_floating_point or kind.is_complex:
        return float("nan")
    return True if kind.numpy == np.bool_ else np.iinfo(kind.numpy).max
