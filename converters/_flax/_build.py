"""What NNX and Linen models are built alike by: registering a layer's values by its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torchcompat
from converters._flax._cells import FlaxCell, Slice, Stack, ZeroBox
from converters._flax._module import Holder, buffer, parameter
from converters._flax._table import ZEROS, Row


@dataclass(frozen=True)
class Zeros:
    """Stands in for a variable that Flax's layer has not: zeros of the shape of another.

    Attributes:
        like: the variable that is shaped like it.
        name: torch's name of the parameter.
    """

    like: Any
    name: str


class Builder:
    """One call of `wrap`: what is met twice (tied weights, shared modules) is made once.

    Attributes:
        index, count: within layers that a lifted transform has stacked, which of them is built, and
            how many there are.
    """

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}
        self.index: int | None = None
        self.count = 0

    def is_parameter(self, variable: Any) -> bool:
        raise NotImplementedError

    def is_passing(self, variable: Any) -> bool:
        """Whether it is left out of `state_dict`."""
        return False

    def box(self, variable: Any) -> Any:
        raise NotImplementedError

    def key(self, variable: Any) -> Any:
        return id(variable)

    def layer(self, fresh: Any, row: Row, layer: Any, leaves: dict[str, Any]) -> None:
        """Registers the entries of the layer's row.

        Args:
            leaves: the layer's variables by path.
        """
        covered = set()
        for entry in row.entries:
            if entry.paths[0].removeprefix(ZEROS) in leaves:
                covered |= set(entry.paths)
                found = [self.found(leaves, path, entry.name) for path in entry.paths]
                self.place(fresh, entry.name, self.tensor(found, entry.layout(layer)))
        for path in leaves:
            if path not in covered:
                raise NotImplementedError(
                    f"wrap: {row.flax[0]} holds {path}, which the row has not"
                )
        if row.counts:
            count = torchcompat.tensor(0, dtype=torchcompat.int64)
            fresh.register_buffer("num_batches_tracked", count)

    def found(self, leaves: dict[str, Any], path: str, name: str) -> Any:
        """The variable at a path of a row."""
        if path.startswith(ZEROS):
            return Zeros(leaves[path.removeprefix(ZEROS)], name)
        return leaves[path]

    def stack(self, fresh: Any, count: int, make: Any) -> None:
        """Registers, as children 0 to `count` - 1, the layers that are stacked in one."""
        self.count = count
        for self.index in range(count):
            fresh.add_module(str(self.index), make())
        self.index = None

    def tensor(self, variables: Any, layout: Any) -> Any:
        keys = (self.key(v.like) if isinstance(v, Zeros) else self.key(v) for v in variables)
        key = (self.index, *keys, *(isinstance(v, Zeros) for v in variables), layout)
        if key not in self.made:
            cell = FlaxCell([self.boxed(v) for v in variables], layout)
            last = variables[-1]
            is_parameter = self.is_parameter(last.like if isinstance(last, Zeros) else last)
            trainable = not isinstance(last, Zeros)
            made = parameter(cell, trainable) if is_parameter else buffer(cell)
            self.made[key] = made, trainable and self.is_passing(last)
        return self.made[key]

    def boxed(self, variable: Any) -> Any:
        """What holds the values: of stacked layers, the part of the one that is built."""
        if isinstance(variable, Zeros):
            return ZeroBox(self.boxed(variable.like), variable.name)
        if self.index is None:
            return self.box(variable)
        key = "stack", self.key(variable)
        if key not in self.made:
            self.made[key] = Stack(self.box(variable), self.count)
        return Slice(self.made[key], self.index)

    def holder(self, fresh: Any, above: list[str]) -> Any:
        """The child that the names lead to; made where there is none."""
        for part in above:
            if part not in fresh._modules:
                fresh.add_module(part, Holder())
            fresh = fresh._modules[part]
        return fresh

    def place(self, fresh: Any, name: str, made: tuple) -> None:
        """Registers a tensor under a name that may lead into a child."""
        *above, name = name.split(".")
        fresh = self.holder(fresh, above)
        tensor, passing = made
        if isinstance(tensor, torchcompat.nn.Parameter):
            fresh.register_parameter(name, tensor)
        else:
            fresh.register_buffer(name, tensor, persistent=not passing)


class LeafBuilder(Builder):
    """A builder over nested dicts, whose variables are the leaves of them."""

    def is_parameter(self, variable: Any) -> bool:
        return variable.collection == "params"

    def box(self, variable: Any) -> Any:
        return variable

    def key(self, variable: Any) -> Any:
        return id(variable.holder), variable.key
