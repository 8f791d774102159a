"""`torch._C._VariableFunctions`: the compiled functions of `torch`."""

import importlib as _importlib
from typing import Any as _Any

from torchcompat._kernels import kernel as _kernel


def __getattr__(name: str) -> _Any:
    found = None
    if not name.startswith("__") or name in _OPERATORS:
        found = getattr(_importlib.import_module("torchcompat"), name, None)
        found = found or _importlib.import_module("torchcompat.ops")._aten(name)
        found = found or _kernel("torch._C._VariableFunctions", name)
    if found is None:
        raise AttributeError(f"module 'torch._C._VariableFunctions' has no attribute '{name}'")
    return found


_OPERATORS = frozenset({"__and__", "__lshift__", "__or__", "__rshift__", "__xor__"})


def __dir__() -> list[str]:
    torch = _importlib.import_module("torchcompat")
    return sorted(name for name, value in vars(torch).items() if callable(value))
