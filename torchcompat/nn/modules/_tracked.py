"""The bookkeeping dictionaries of a module: they note each change, so that compiled calls can tell.

Third-party code writes to `module._modules[name]`, `module._parameters` and the hook dictionaries
directly. All dictionaries of one module share a `Clock`; every mutation stamps it anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torchcompat._tensor._state import epoch


class Clock:
    """The version of a module's structure. A value is never given out twice in a process."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.advance()

    def advance(self) -> None:
        """Notes a change, here and in the global epoch."""
        epoch.advance()
        self.value = epoch.value

    def __copy__(self) -> Clock:
        same = Clock.__new__(Clock)
        same.value = self.value
        return same

    def __reduce__(self) -> tuple:
        return Clock, ()


_ABSENT = object()


def _noting(name: str) -> Callable:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = getattr(super(_Tracked, self), name)(*args, **kwargs)
        self.clock.advance()
        return result

    method.__name__ = method.__qualname__ = name
    return method


class _Tracked:
    """Mixed into a dict class: each method that changes the contents advances `clock`."""

    __slots__ = ()
    clock: Clock

    def __new__(cls, items: Any = (), clock: Clock | None = None) -> Any:
        self: Any = super().__new__(cls)
        self.clock = Clock() if clock is None else clock
        return self

    def __init__(self, items: Any = (), clock: Clock | None = None) -> None:
        super().__init__(items)  # type: ignore[call-arg]

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.get(key, _ABSENT) is not value:  # type: ignore[attr-defined]
            super().__setitem__(key, value)  # type: ignore[misc]
            self.clock.advance()

    __delitem__ = _noting("__delitem__")
    __ior__ = _noting("__ior__")
    clear = _noting("clear")
    pop = _noting("pop")
    popitem = _noting("popitem")
    setdefault = _noting("setdefault")
    update = _noting("update")


class TrackedDict(_Tracked, dict):
    """A dict that notes its changes: `_parameters`, `_buffers`, `_modules`."""

    __slots__ = ("clock", "__weakref__")


class TrackedOrderedDict(_Tracked, OrderedDict):
    """An OrderedDict that notes its changes: the hook dictionaries."""

    move_to_end = _noting("move_to_end")

    def __repr__(self) -> str:
        return repr(OrderedDict(self))
