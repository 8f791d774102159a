"""Reading NNX models without importing Flax: the object that is handed in brings its library along."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from torchcompat.nn._bridge import _RAW


def library() -> Any:
    return sys.modules["flax.nnx"]


@cache
def _bases(kind: type) -> frozenset[tuple[str, str]]:
    return frozenset((k.__module__.partition(".")[0], k.__name__) for k in kind.__mro__)


def is_flax(x: Any, *names: str) -> bool:
    """Whether a class of Flax's with one of these names is among the bases of `type(x)`."""
    bases = _bases(type(x))
    return any(("flax", name) in bases for name in names)


def is_variable(x: Any) -> bool:
    return is_flax(x, "Variable")


def is_nnx_module(x: Any) -> bool:
    return is_flax(x, "Pytree", "Object") and is_flax(x, "Module", "List", "Dict", "Pytree")


def is_linen_module(x: Any) -> bool:
    return is_flax(x, "ModuleBase")


def raw(variable: Any) -> Any:
    return getattr(variable, _RAW)


def set_raw(variable: Any, array: Any) -> None:
    object.__setattr__(variable, _RAW, array)


class VariableBox:
    """An `nnx.Variable` as what a `FlaxCell` reads and writes."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def get(self) -> Any:
        return raw(self.variable)

    def set(self, array: Any) -> None:
        set_raw(self.variable, array)


def members(node: Any) -> list[tuple[str, Any]]:
    """What an NNX module or container holds by name: variables, modules, lists and dicts of them."""
    if isinstance(node, (list, tuple)) or is_flax(node, "List"):
        items = [(str(i), x) for i, x in enumerate(node)]
    elif isinstance(node, dict) or is_flax(node, "Dict"):
        items = [(_text(k), x) for k, x in node.items()]
    else:
        items = [(k, x) for k, x in vars(node).items() if "__" not in k]
    return [(k, x) for k, x in items if _matters(x)]


def _text(key: Any) -> str:
    return ".".join(map(str, key)) if isinstance(key, tuple) else str(key)


def is_container(x: Any) -> bool:
    plain = isinstance(x, (list, tuple, dict)) and any(_matters(y) for _, y in members(x))
    return plain or is_flax(x, "List", "Dict")


def _matters(x: Any) -> bool:
    return is_variable(x) or is_nnx_module(x) or is_container(x)


def walk(node: Any, path: tuple = (), above: tuple = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every path below `node` with the module or variable that it leads to; `node` itself too."""
    yield path, node
    if is_variable(node) or any(node is x for x in above):
        return
    for name, child in members(node):
        yield from walk(child, (*path, name), (*above, node))
