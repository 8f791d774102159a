"""The keyword arguments that functions making tensors take."""

from __future__ import annotations

from typing import Any

_NAMES = frozenset({"device", "dtype", "memory_format"})


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """`device`, `dtype` and `memory_format` of `kwargs`, or of its entry `factory_kwargs`.

    Raises:
        TypeError: something else is in it, or one of them twice.
    """
    if kwargs is None:
        return {}
    nested = dict(kwargs.get("factory_kwargs", {}))
    given = {name: value for name, value in kwargs.items() if name != "factory_kwargs"}
    unknown = given.keys() - _NAMES
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    for name, value in given.items():
        if name in nested:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        nested[name] = value
    return nested
