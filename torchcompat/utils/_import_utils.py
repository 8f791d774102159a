"""Which packages can be imported, as third parties ask `torch.utils._import_utils`."""

from __future__ import annotations

import functools
import importlib.util

__all__ = ["dill_available"]


@functools.lru_cache
def _check_module_exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def dill_available() -> bool:
    """Whether `dill` is installed."""
    return _check_module_exists("dill")
