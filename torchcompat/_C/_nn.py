"""`torch._C._nn`: the compiled functions of `torch.nn.functional`."""

import importlib as _importlib
from typing import Any as _Any

from torchcompat._tensor._convert import parse_module_to as _parse_to  # noqa: F401

_NAMES = {"log_sigmoid": "logsigmoid"}


def __getattr__(name: str) -> _Any:
    functional = _importlib.import_module("torchcompat.nn.functional")
    found = getattr(functional, _NAMES.get(name, name), None)
    if found is None or name.startswith("__"):
        raise AttributeError(f"module 'torch._C._nn' has no attribute '{name}'")
    return found
