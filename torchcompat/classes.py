"""`torch.classes`: classes of compiled libraries, of which there are none."""

from __future__ import annotations

from types import ModuleType
from typing import Any

loaded_libraries: set[str] = set()


class _Namespace(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(
            f"Tried to instantiate class '{self.__name__}.{name}', but it does not exist! "
            "Ensure that it is registered via torch::class_"
        )


def load_library(path: str) -> None:
    """Loads a compiled library.

    Raises:
        OSError: always: it is built for torch itself.
    """
    raise OSError(f"Could not load this library: {path}")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'torch.classes' has no attribute '{name}'")
    return _Namespace(name)
