"""Lets einops, imported natively, take our tensors: a backend registered when einops is loaded."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_MODULE = "einops._backends"


def install() -> None:
    """Registers the backend now if einops is loaded, else as soon as it is."""
    if _MODULE in sys.modules:
        _register(sys.modules[_MODULE])
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


class _Waiting(importlib.abc.MetaPathFinder):
    """Finds nothing but `einops._backends`, once."""

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _register(module)

            spec.loader.exec_module = exec_module
        return spec


def _register(backends: ModuleType) -> None:
    """einops finds a backend among the subclasses of its base; ours is its torch one, on us."""

    base: Any = vars(backends)["TorchBackend"]

    class TorchcompatBackend(base):
        framework_name = "torchcompat"

        def __init__(self) -> None:
            self.torch = sys.modules["torchcompat"]

    vars(backends)["torchcompat_backend"] = (
        TorchcompatBackend  # einops looks through weak references
    )
