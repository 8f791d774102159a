"""Names for the nodes and globals of generated code: legal, and each given once."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import defaultdict
from typing import Any, NamedTuple

from torchcompat import _device

_NUMBERED = re.compile(r"(.*)_(\d+)$")
_ILLEGAL = re.compile(r"[^0-9a-zA-Z_]+")
_CAPITAL = re.compile(r"(?<=[a-z])([A-Z])")


class _CustomBuiltin(NamedTuple):
    """A name that generated code uses as if it were built in: how to import it, and what it is."""

    import_str: str
    obj: Any


_custom_builtins: dict[str, _CustomBuiltin] = {
    "inf": _CustomBuiltin("from math import inf", float("inf")),
    "nan": _CustomBuiltin("from math import nan", float("nan")),
    "NoneType": _CustomBuiltin("NoneType = type(None)", type(None)),
    "device": _CustomBuiltin("from torchcompat import device", _device.device),
}


def _register_custom_builtin(name: str, import_str: str, obj: Any) -> None:
    _custom_builtins[name] = _CustomBuiltin(import_str, obj)


def _snake_case(s: str) -> str:
    """`MaxPool` as `max_pool`."""
    return _CAPITAL.sub(r"_\1", s).lower()


def _is_magic(x: str) -> bool:
    return x.startswith("__") and x.endswith("__")


class _Namespace:
    """Gives out names. An object asked for again keeps the name it was given."""

    def __init__(self) -> None:
        self._obj_to_name: dict[Any, str] = {}
        self._used_names: set[str] = set()
        self._base_count: dict[str, int] = defaultdict(int)

    def create_name(self, candidate: str, obj: Any) -> str:
        """A free, legal name that is `candidate` or close to it, kept for `obj` if that is not None."""
        if obj is not None and obj in self._obj_to_name:
            return self._obj_to_name[obj]
        candidate = _ILLEGAL.sub("_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        match = _NUMBERED.match(candidate)
        base, number = (match[1], int(match[2])) if match else (candidate, 0)
        candidate = f"{base}_{number}" if match else base
        count = number or self._base_count.get(base, 0)
        while candidate in self._used_names or self._is_illegal_name(candidate, obj):
            count += 1
            candidate = f"{base}_{count}"
        self._used_names.add(candidate)
        self._base_count[base] = count
        if obj is not None:
            self._obj_to_name[obj] = candidate
        return candidate

    def associate_name_with_obj(self, name: str, obj: Any) -> None:
        """Notes that `obj` has this name already."""
        if self._obj_to_name.setdefault(obj, name) != name:
            raise AssertionError("obj is already associated")

    def _is_illegal_name(self, name: str, obj: Any) -> bool:
        if name in keyword.kwlist:
            return True
        if name in builtins.__dict__:
            return obj is not builtins.__dict__[name]
        return name in _custom_builtins and obj is not _custom_builtins[name].obj

    def _rename_object(self, obj: Any, name: str) -> None:
        if obj not in self._obj_to_name:
            raise AssertionError(f"Object {obj} is not in namespace")
        self._obj_to_name[obj] = name
        self._used_names.add(name)
