"""What ported source sees of Python's own import machinery.

Libraries ask `importlib.util.find_spec("torch")`, `importlib.metadata.version("torch")` or
`"torch" in sys.modules`, and import by computed names. These answer as if torch were there. All else
is passed on to the real modules, assignments included.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from types import ModuleType
from typing import Any

from torchcompat.ported._routing import STAND_INS, route
from torchcompat.version import RELEASE


class _Facade(ModuleType):
    """A module that answers some names itself and has the rest of `real`."""

    def __init__(self, real: ModuleType, **own: Any) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__.update(own, _real=real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._real, name)

    def __dir__(self) -> list[str]:
        return dir(self._real)


class _Modules(MutableMapping):
    """`sys.modules` with every name meaning what an import of it would mean."""

    def __getitem__(self, name: str) -> ModuleType:
        return sys.modules[route(name)]

    def __setitem__(self, name: str, module: ModuleType) -> None:
        sys.modules[route(name)] = module

    def __delitem__(self, name: str) -> None:
        del sys.modules[route(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and route(name) in sys.modules

    def __iter__(self) -> Iterator[str]:
        return iter([*STAND_INS, *sys.modules])

    def __len__(self) -> int:
        return len(sys.modules) + len(STAND_INS)

    def copy(self) -> dict[str, ModuleType]:
        return dict(self)


def import_module(name: str, package: str | None = None) -> ModuleType:
    """`importlib.import_module`, by the names that ported source uses."""
    if name.startswith("."):
        return importlib.import_module(name, route(package) if package else package)
    return importlib.import_module(route(name))


def find_spec(name: str, package: str | None = None) -> Any:
    """`importlib.util.find_spec`, by the names that ported source uses."""
    if name.startswith("."):
        return importlib.util.find_spec(name, route(package) if package else package)
    return importlib.util.find_spec(route(name))


def version(distribution_name: str) -> str:
    """`importlib.metadata.version`; torch's is the release whose interface we present."""
    if distribution_name in STAND_INS:
        return RELEASE
    return importlib.metadata.version(distribution_name)


def packages_distributions() -> dict[str, list[str]]:
    """`importlib.metadata.packages_distributions`, with torch in it."""
    return {**importlib.metadata.packages_distributions(), **{name: [name] for name in STAND_INS}}


_metadata = _Facade(
    importlib.metadata, version=version, packages_distributions=packages_distributions
)
_util = _Facade(importlib.util, find_spec=find_spec)
ROOTS = {
    "sys": _Facade(sys, modules=_Modules()),
    "importlib": _Facade(importlib, import_module=import_module, util=_util, metadata=_metadata),
}
_SUBMODULES = {"importlib.metadata": _metadata, "importlib.util": _util}


def import_facade(name: str, fromlist: Sequence[str] | None) -> ModuleType:
    """What `import name` gives where `name` is one of the modules of `ROOTS` or lies in one."""
    real = importlib.import_module(name)
    if fromlist:
        for part in fromlist:
            if f"{name}.{part}" in _SUBMODULES:
                return ROOTS[name]
        return _SUBMODULES.get(name) or ROOTS.get(name) or real
    return ROOTS[name.partition(".")[0]]
