"""`torch.return_types`: the named tuples that functions return."""

from __future__ import annotations

from typing import Any

from torchcompat._ops._registry import ROWS
from torchcompat._tensor._dispatch import _named


def __getattr__(name: str) -> Any:
    row = ROWS.get(name) or ROWS.get(name.replace("linalg_", "", 1))
    if row is None or row.returns is None:
        raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
    return _named(row)
