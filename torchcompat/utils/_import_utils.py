"""Which packages can be imported, as third parties ask `torch.utils._import_utils`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

__all__ = ["dill_available"]


@functools.lru_cache
def _check_module_exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def import_dill() -> Any:
    """The module `dill`, or None where it is not installed."""
    return importlib.import_module("dill") if dill_available() else None


def dill_available() -> bool:
    """Whether `dill` is installed."""
    return _check_module_exists("dill")
