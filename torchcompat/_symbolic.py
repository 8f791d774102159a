"""`SymInt` and its kin: sizes are plain numbers here, under tracing too, so nothing is symbolic."""

from __future__ import annotations

import builtins
import math
from typing import Any

from torchcompat._absent import absent_class

_WHY = "sizes are plain numbers, under tracing too"
SymInt = absent_class("torchcompat", "SymInt", _WHY)
SymFloat = absent_class("torchcompat", "SymFloat", _WHY)
SymBool = absent_class("torchcompat", "SymBool", _WHY)


def sym_int(a: Any) -> int:
    """`a` cut to a whole number."""
    return math.floor(a) if a >= 0 else math.ceil(a)


def sym_float(a: Any) -> float:
    """`a` as a float."""
    return float(a)


def sym_not(a: Any) -> bool:
    """`not a`."""
    return not a


def _promoted(a: Any, b: Any, chosen: Any) -> Any:
    floats = isinstance(a, float) or isinstance(b, float)
    return float(chosen) if floats else chosen


def sym_max(a: Any, b: Any) -> Any:
    """The larger number; a float if either is one."""
    return _promoted(a, b, builtins.max(a, b))


def sym_min(a: Any, b: Any) -> Any:
    """The smaller number; a float if either is one."""
    return _promoted(a, b, builtins.min(a, b))


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """`t` if `b` else `f`.

    Raises:
        AssertionError: `b` is no bool, or the types differ.
    """
    if not isinstance(b, bool) or type(t) is not type(f):
        raise AssertionError(f"sym_ite: expected a bool and two of one type, got {b}, {t}, {f}")
    return t if b else f


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)


def sym_sum(*args: Any) -> Any:
    """The sum of the numbers, or of one sequence of them."""
    return builtins.sum(args[0] if len(args) == 1 and not isinstance(args[0], int) else args)


__all__ = [
    "SymBool",
    "SymFloat",
    "SymInt",
    "sym_float",
    "sym_int",
    "sym_ite",
    "sym_max",
    "sym_min",
    "sym_not",
    "sym_sqrt",
    "sym_sum",
]
