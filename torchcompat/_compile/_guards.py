"""What a compiled call depends on besides its arguments: the modules' structure and settings.

Each structural or static change advances a module's version and the global epoch. While the epoch
stands still nothing is looked at. When it has moved, the modules are walked once and described; the
description is what executables are looked up by, so going back to a former state finds its executable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torchcompat import _dtype
from torchcompat._compile._tree import Same, static
from torchcompat._tensor import Tensor
from torchcompat.nn.modules import _global
from torchcompat.nn.modules.module import Module

_OWN = {"_tc_version", "_tc_described", "_tc_static", "_compiled_call_impl"}


def modules_of(roots: Iterable[Module]) -> list[Module]:
    """Each module under `roots`, once, in torch's order."""
    memo: set = set()
    return [module for root in roots for _, module in root.named_modules(memo)]


def tensors_of(modules: Iterable[Module]) -> Iterator[Tensor]:
    """The parameters and buffers that `modules` hold themselves, repeats included."""
    for module in modules:
        for held in (module._parameters, module._buffers):
            yield from (t for t in held.values() if t is not None)


def _describe(x: Any) -> Any:
    if isinstance(x, dict):
        return (type(x), *((key, _describe(value)) for key, value in x.items()))
    return ("tensor", id(x)) if isinstance(x, Tensor) else static(x)


def _described(module: Module) -> Any:
    """One module's own attributes; kept until its version changes."""
    attributes = module.__dict__
    kept = attributes.get("_tc_described")
    version = module._structure_version
    if kept is None or kept[0] != version:
        skipped = _OWN | {getattr(h, "derives", "") for h in module._forward_pre_hooks.values()}
        items = tuple((n, _describe(x)) for n, x in attributes.items() if n not in skipped)
        attributes["_tc_described"] = kept = version, (Same(module), items)
    return kept[1]


def describe(modules: Iterable[Module], tensors: Iterable[Tensor]) -> tuple:
    """Everything that a trace over `modules` and state `tensors` may have depended on."""
    cells: dict[int, int] = {}
    states = tuple(
        (
            t._layout[0] if t._layout is not None else t._cell.form[0],
            t._cell.form[1],
            t._requires_grad,
            cells.setdefault(id(t._cell.root), len(cells)),
        )
        for t in tensors
    )
    settings = _global.clock.value, _dtype.get_default_dtype().name
    return tuple(map(_described, modules)), states, settings
