"""Modules of settings: attributes that can be read and set, of names that torch has."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class Settings(ModuleType):
    """A module whose settings are checked when they are set."""

    _FIXED: dict[str, str] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._FIXED:
            raise RuntimeError(self._FIXED[name])
        super().__setattr__(name, value)


def settle(name: str, kind: type[Settings] = Settings) -> ModuleType:
    """Makes the module of that name one of settings."""
    module = sys.modules[name]
    module.__class__ = kind
    return module


@contextlib.contextmanager
def setting(module: Any, changes: dict[str, Any]) -> Iterator[None]:
    """Sets attributes inside a `with` block."""
    former = {name: getattr(module, name) for name in changes}
    for name, value in changes.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in former.items():
            setattr(module, name, value)
