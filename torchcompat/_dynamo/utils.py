"""Names that third parties take from here."""

from __future__ import annotations

import collections
from typing import Any

__all__ = ["counters", "is_compile_supported", "is_lazy_module"]

counters: dict[str, Any] = collections.defaultdict(collections.Counter)


def is_compile_supported(device_type: str) -> bool:
    """False: torch's own code generator is not here, so hand-written fallbacks have no use."""
    return False


def is_lazy_module(mod: Any) -> bool:
    """Whether parameters of the module wait for their shapes."""
    has = getattr(mod, "has_uninitialized_params", None)
    return bool(has()) if has is not None else False


def clone_input(x: Any, *, dtype: Any = None) -> Any:
    """A copy of a tensor, under another dtype if asked."""
    copy = x.detach().clone()
    return copy if dtype is None else copy.to(dtype)
