"""What torch source says of shapes to be exported, and the refusals."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from torchcompat._absent import fill
from torchcompat.utils import _pytree

_WHY = "torchcompat exports no FX graph; jax.export writes StableHLO"


class _DimHint:
    """`Dim.AUTO`, `Dim.STATIC`, `Dim.DYNAMIC`."""

    def __init__(self, name: str, min: int | None = None, max: int | None = None) -> None:
        self.name, self.min, self.max = name, min, max

    def __call__(self, min: int | None = None, max: int | None = None) -> _DimHint:
        return _DimHint(self.name, min, max)

    def __repr__(self) -> str:
        return f"DimHint({self.name})"


class Dim:
    """A named size of an exported program.

    Args:
        name: what errors call it.
        min, max: its range.
    """

    AUTO = _DimHint("AUTO")
    DYNAMIC = _DimHint("DYNAMIC")
    STATIC = _DimHint("STATIC")

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        self.__name__ = name
        self.min = 0 if min is None else min
        self.max = float("inf") if max is None else max
        if self.max < self.min:
            raise AssertionError(f"Cannot create Dim with inconsistent min={min}, max={max}")
        if not name.isidentifier():
            raise AssertionError(f"Dim name must be a valid identifier, got {name}")


def dims(*names: str, min: int | None = None, max: int | None = None) -> tuple[Dim, ...]:
    """Several `Dim`s at once."""
    return tuple(Dim(name, min=min, max=max) for name in names)


def register_dataclass(cls: Any, *, serialized_type_name: str | None = None) -> None:
    """Makes a dataclass a node of `torch.utils._pytree`."""
    names = [f.name for f in dataclasses.fields(cls)]
    _pytree.register_pytree_node(
        cls,
        lambda x: ([getattr(x, n) for n in names], names),
        lambda values, keys: cls(**dict(zip(keys, values))),
        serialized_type_name=serialized_type_name,
    )


export: Any
load: Any
save: Any
unflatten: Any
draft_export: Any
default_decompositions: Any
fill(
    globals(),
    _WHY,
    classes="""AdditionalInputs Constraint CustomDecompTable ExportBackwardSignature ExportGraphSignature
    ExportedProgram FlatArgsAdapter ModuleCallEntry ModuleCallSignature ShapesCollection
    UnflattenedModule""",
    functions="default_decompositions draft_export export load save unflatten",
)

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
