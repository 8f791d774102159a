"""Reading what a pickle would do without doing it: its globals, its storages, where it ends."""

from __future__ import annotations

from typing import Any

from torchcompat.serialization._machine import Machine
from torchcompat.serialization._names import TYPE_GLOBALS


class _Opaque:
    """The result of a call that was not made; takes items and attributes without effect."""

    def append(self, item: Any) -> None:
        """Ignores `item`."""

    extend = update = append


class Scanner(Machine):
    """Runs a pickle with every call, instance and state left out.

    Attributes:
        globals: the full names of the globals that the pickle names.
        storages: the persistent ids of storages that it asks for, by key, in order.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.globals: set[str] = set()
        self.storages: dict[Any, tuple] = {}

    def find(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        self.globals.add(full)
        return TYPE_GLOBALS.get(full) or _Opaque()

    def call(self, function: Any, args: tuple) -> Any:
        return _Opaque()

    def new(self, kind: Any, args: tuple) -> Any:
        return _Opaque()

    def build(self, instance: Any, state: Any) -> None:
        """Leaves the instance as it is."""

    def persistent(self, identity: Any) -> Any:
        if type(identity) is tuple and len(identity) >= 5 and isinstance(identity[2], (str, int)):
            self.storages.setdefault(identity[2], identity)
        return _Opaque()

    def _target(self, kind: type, what: str) -> Any:
        return _Opaque()

    def _set_items(self, items: list, code: str) -> None:
        """Drops the items: nothing in a container is needed."""

    def _charge(self, args: Any) -> None:
        """Counts nothing: no call is made."""
