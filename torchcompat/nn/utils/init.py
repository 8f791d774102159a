"""Making a module without filling its parameters."""

from __future__ import annotations

import inspect
from typing import Any

from torchcompat.nn.modules.module import Module


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Module:
    """A module whose parameters and buffers are allocated but not initialised.

    Args:
        module_cls: a Module class that takes `device`.
        args, kwargs: passed to it.

    Raises:
        RuntimeError: `module_cls` is no Module class, or takes no `device`.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    where = kwargs.pop("device", "cpu")
    return module_cls(*args, device="meta", **kwargs).to_empty(device=where)
