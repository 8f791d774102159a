"""How exact float32 matrix products are: `set_float32_matmul_precision`."""

from __future__ import annotations

import warnings

__all__ = ["get_float32_matmul_precision", "set_float32_matmul_precision"]

_LEVELS = ("highest", "high", "medium")
_current = ["highest"]


def get_float32_matmul_precision() -> str:
    """The level that was set: "highest", "high" or "medium"."""
    return _current[0]


def set_float32_matmul_precision(precision: str) -> None:
    """Allows float32 products to be less exact on devices that gain by it.

    Products stay exact here at every level, which each of them allows.

    Args:
        precision: "highest", "high" or "medium"; torch ignores another, with a warning.
    """
    if precision not in _LEVELS:
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current"
            "setFloat32MatmulPrecision call has no effect."
        )
        return
    _current[0] = precision
