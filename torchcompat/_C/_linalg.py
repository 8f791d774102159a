"""`torch._C._linalg`: the compiled functions of `torch.linalg`, by their full names."""

import importlib as _importlib
from typing import Any as _Any

from torchcompat._kernels import kernel as _kernel


def __getattr__(name: str) -> _Any:
    family, _, short = name.partition("_")
    found = None
    if family == "linalg":
        found = getattr(_importlib.import_module("torchcompat.linalg"), short, None)
    found = found or _kernel("torch._C._linalg", name)
    if found is None:
        raise AttributeError(f"module 'torch._C._linalg' has no attribute '{name}'")
    return found
