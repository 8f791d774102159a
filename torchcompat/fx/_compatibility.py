"""`@compatibility`: torch's mark of how stable a function's interface is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_BACK_COMPAT_OBJECTS: dict[object, None] = {}
_MARKED_WITH_COMPATIBILITY: dict[object, None] = {}
T = TypeVar("T")


def compatibility(is_backward_compatible: bool) -> Callable[[T], T]:
    """Marks a class or function of `fx` and returns it.

    Args:
        is_backward_compatible: whether its signature and meaning are kept between versions.
    """

    def mark(one: T) -> T:
        _MARKED_WITH_COMPATIBILITY.setdefault(one)
        if is_backward_compatible:
            _BACK_COMPAT_OBJECTS.setdefault(one)
        return one

    return mark
