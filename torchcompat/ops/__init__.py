"""`torch.ops`: ops by namespace and name, `torch.ops.aten.add`, `torch.ops.torchvision.nms`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchcompat._absent import absent_function
from torchcompat._kernels import kernel
from torchcompat._tensor import Tensor
from torchcompat._tensor._aten import ATEN
from torchcompat._tensor._faces import FUNCTIONS
from torchcompat.ops import _torchvision
from torchcompat.ops._packets import DEFINED, OpNamespace, OpOverload, OpOverloadPacket

__all__ = ["OpOverload", "OpOverloadPacket", "aten", "load_library", "prims", "torchvision"]

# Compiled libraries whose ops are supplied here, by the package that they come with.
_SUPPLIED = {"torchvision": ("_C",)}
# Kernels of accelerators that torch has for scaled_dot_product_attention.
_ATTENTION = """_efficient_attention_backward _efficient_attention_forward _flash_attention_backward
_flash_attention_forward"""
_ABSENT = {
    name: absent_function(f"{__name__}.aten", name, "call scaled_dot_product_attention")
    for name in _ATTENTION.split()
}
loaded_libraries: set[str] = set()


def _aten(name: str) -> Callable | None:
    """An ATen op: a function of `torch` or its namespaces, or a method."""
    if name in ATEN:
        return ATEN[name]
    torch = sys.modules["torchcompat"]
    for place in (torch, torch.nn.functional):  # type: ignore[attr-defined]
        found = getattr(place, name, None)
        if callable(found) and not isinstance(found, type):
            return found
    for family in ("linalg", "special", "fft"):
        found = FUNCTIONS.get(family, {}).get(name.removeprefix(f"{family}_"))
        if found is not None and name.startswith(family):
            return found
    found = FUNCTIONS["all"].get(name) or getattr(Tensor, name, None) or _ABSENT.get(name)
    found = found or kernel("torch.ops.aten", name)
    return found if callable(found) else None


aten = OpNamespace("aten", _aten)
prims = OpNamespace("prims")
torchvision = OpNamespace("torchvision", _torchvision.FUNCTIONS.get)


def load_library(path: str | Path) -> None:
    """Makes the ops of a compiled library known: those of packages that we supply are so already.

    Raises:
        OSError: it is another library, built for torch itself.
    """
    place = Path(path)
    if place.name.partition(".")[0] in _SUPPLIED.get(place.parent.name, ()):
        loaded_libraries.add(str(path))
        return
    raise OSError(f"Could not load this library: {path}")


def import_module(module: str) -> None:
    """Imports a Python module that defines ops."""
    __import__(module)


def define(qualified_name: str, function: Callable) -> None:
    """Makes `torch.ops.namespace.name` call `function`.

    Args:
        qualified_name: `namespace::name`.
    """
    DEFINED[qualified_name] = function
    namespace, _, name = qualified_name.partition("::")
    vars(globals().get(namespace, _torchvision)).pop(name, None)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = OpNamespace(name)
    return made
