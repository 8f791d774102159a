"""`torch._export.wrappers`: marks for the exporter, of which it has no need here."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["mark_subclass_constructor_exportable_experimental"]


def mark_subclass_constructor_exportable_experimental(constructor_subclass: Callable) -> Callable:
    """A decorator that changes nothing: constructors of subclasses are traced through."""
    return constructor_subclass
