"""Utilities that are not layers."""

from __future__ import annotations

import importlib
from typing import Any

from torchcompat._tensor._swapping import swap_tensors
from torchcompat.utils import hooks

__all__ = ["hooks", "swap_tensors"]
_PARTS = frozenset(
    """_mode_utils _python_dispatch _pytree checkpoint collect_env data deterministic dlpack
    model_zoo weak""".split()
)


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"torchcompat.utils.{name}")
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}'")
