"""Names that exist so that torch source can be imported, and that refuse when they are used.

A class made here has no instances, so `isinstance(x, DTensor)` truthfully answers no.
"""

from __future__ import annotations

import abc
import types
from collections.abc import Callable
from typing import Any


class _Refusing(abc.ABCMeta):
    """The type of classes that cannot be used: making one or reading an attribute is refused.

    It is an `ABCMeta` so that a class may derive from one of them and from an abstract class.
    """

    _title: str
    _why: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{cls._title}: {cls._why}")

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
        raise NotImplementedError(f"{cls._title}.{name}: {cls._why}")


class _Absent(metaclass=_Refusing):
    """What classes that cannot be used derive from."""

    _title = "absent"
    _why = "not available"

    def __init_subclass__(cls, **keywords: Any) -> None:
        # A user's class may derive from one: only using it is refused.
        super().__init_subclass__()


def absent_class(module: str, name: str, why: str) -> type:
    """A class without instances: calling it raises NotImplementedError with its name and `why`."""
    title = f"{module.replace('torchcompat', 'torch', 1)}.{name}"
    return _Refusing(name, (_Absent,), {"__module__": module, "_title": title, "_why": why})


def absent_function(module: str, name: str, why: str) -> Callable:
    """A function that raises NotImplementedError with its name and `why` when it is called."""
    title = f"{module.replace('torchcompat', 'torch', 1)}.{name}"

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{title}: {why}")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__module__ = module
    refuse._absent = why  # type: ignore[attr-defined]
    return refuse


def is_absent(value: Any) -> bool:
    """Whether `value` is a name that only exists to be imported."""
    return isinstance(value, _Refusing) or (
        isinstance(value, types.FunctionType) and "_absent" in value.__dict__
    )


def reason(value: Any) -> str:
    """Why an absent name cannot be used."""
    return value._why if isinstance(value, _Refusing) else value._absent


def fill(namespace: dict[str, Any], why: str, *, classes: str = "", functions: str = "") -> None:
    """Adds absent classes and functions to a module's globals.

    Args:
        namespace: the module's `globals()`.
        why: the reason in the error, such as "there is one process only".
        classes, functions: names, separated by spaces.
    """
    module = namespace["__name__"]
    for name in classes.split():
        namespace[name] = absent_class(module, name, why)
    for name in functions.split():
        namespace[name] = absent_function(module, name, why)
