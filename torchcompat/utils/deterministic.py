"""`torch.utils.deterministic`: a setting of `use_deterministic_algorithms`."""

from __future__ import annotations

import sys
import types

from torchcompat._deterministic import (
    get_fill_uninitialized_memory,
    set_fill_uninitialized_memory,
)


class _Module(types.ModuleType):
    @property
    def fill_uninitialized_memory(self) -> bool:
        """Whether fresh memory is filled under deterministic algorithms: with NaN or the largest number."""
        return get_fill_uninitialized_memory()

    @fill_uninitialized_memory.setter
    def fill_uninitialized_memory(self, mode: bool) -> None:
        set_fill_uninitialized_memory(mode)


sys.modules[__name__].__class__ = _Module
