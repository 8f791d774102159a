"""`torch._C._special`: the compiled functions of `torch.special`, by their full names."""

import importlib as _importlib
from typing import Any as _Any


def __getattr__(name: str) -> _Any:
    family, _, short = name.partition("_")
    found = None
    if family == "special":
        found = getattr(_importlib.import_module("torchcompat.special"), short, None)
    if found is None:
        raise AttributeError(f"module 'torch._C._special' has no attribute '{name}'")
    return found
