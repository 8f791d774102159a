"""The meta-path finder behind `torchcompat.ported`, and the `__import__` of ported modules."""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from torchcompat.ported import _facades, _safetensors
from torchcompat.ported._routing import (
    OWN_FILES,
    PREFIX,
    STAND_INS,
    is_own_file,
    is_ported,
    native_name,
    route,
    top_level_spec,
)

# What ported source finds changed in compiled modules, by native name.
_REPLACED = {"safetensors._safetensors_rust": {"safe_open": _safetensors.safe_open}}
# What is done to a module after its source has run, by native name.
_MENDED = {"safetensors.torch": _safetensors.mend_torch_module}


def install() -> None:
    """Makes `torchcompat.ported.<package>` importable; once is enough."""
    if not any(isinstance(finder, PortedFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PortedFinder())


class PortedFinder(importlib.abc.MetaPathFinder):
    """Finds `torchcompat.ported.<name>` in the files of the installed module `<name>`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if is_own_file(fullname):
            return _own_spec(fullname, path)
        if not fullname.startswith(PREFIX):
            return None
        name = fullname[len(PREFIX) :]
        if name.startswith("_") and "." not in name:
            return None  # the modules of this package
        if name.partition(".")[0] in STAND_INS:
            raise ModuleNotFoundError(
                f"{name!r} is not ported: it is torchcompat itself", name=fullname
            )
        if "." in name:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        else:
            spec = top_level_spec(name)
        if spec is None:
            return None
        if "." not in name:
            is_ported.cache_clear()  # asked for by name, it is ported from now on
        return _ported_spec(fullname, name, spec)


def _own_spec(fullname: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
    """The spec of a module of `OWN_FILES`, in the files of the torch that is installed."""
    if fullname in OWN_FILES:
        torch = top_level_spec("torch")
        if torch is None or torch.origin is None:
            raise ModuleNotFoundError(
                f"{native_name(fullname)} lies in torch's own files, and torch is not installed",
                name=fullname,
            )
        inner = native_name(fullname).split(".")[1:-1]
        path = [os.path.join(os.path.dirname(torch.origin), *inner)]
    spec = importlib.machinery.PathFinder.find_spec(fullname, path)
    return spec and _ported_spec(fullname, native_name(fullname), spec)


def _ported_spec(
    fullname: str, name: str, spec: importlib.machinery.ModuleSpec
) -> importlib.machinery.ModuleSpec:
    origin = spec.origin
    if origin is None or spec.loader is None:
        found = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        found.submodule_search_locations = spec.submodule_search_locations
        return found
    if not origin.endswith(".py"):
        return importlib.machinery.ModuleSpec(fullname, _Alias(name), origin=origin)
    found_spec = importlib.util.spec_from_file_location(
        fullname,
        origin,
        loader=PortedLoader(fullname, origin),
        submodule_search_locations=spec.submodule_search_locations,
    )
    assert found_spec is not None
    return found_spec


class PortedLoader(importlib.machinery.SourceFileLoader):
    """Runs a source file with an `__import__` that routes torch to torchcompat."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = BUILTINS
        super().exec_module(module)
        mend = _MENDED.get(native_name(module.__name__))
        if mend is not None:
            mend(module)


class _Alias(importlib.abc.Loader):
    """Gives a module that another name already has: compiled code is not loaded twice."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        loaded = importlib.import_module(self._name)
        alias = ModuleType(spec.name, loaded.__doc__)
        alias.__dict__.update({k: v for k, v in vars(loaded).items() if k not in vars(alias)})
        alias.__dict__.update(_REPLACED.get(self._name, {}))
        return alias

    def exec_module(self, module: ModuleType) -> None:
        """The native import has run it."""


def ported_import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """`__import__` as ported modules see it."""
    if level:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    if name.partition(".")[0] in _facades.ROOTS:
        return _facades.import_facade(name, fromlist)
    routed = route(name)
    if routed == name or fromlist:
        return builtins.__import__(routed, globals, locals, fromlist or (), 0)
    importlib.import_module(routed)
    return importlib.import_module(route(name.partition(".")[0]))


BUILTINS = {**vars(builtins), "__import__": ported_import}
