"""`torch._C._fft`: the compiled functions of `torch.fft`, by their full names."""

import importlib as _importlib
from typing import Any as _Any


def __getattr__(name: str) -> _Any:
    family, _, short = name.partition("_")
    found = None
    if family == "fft":
        found = getattr(_importlib.import_module("torchcompat.fft"), short, None)
    if found is None:
        raise AttributeError(f"module 'torch._C._fft' has no attribute '{name}'")
    return found
