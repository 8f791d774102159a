"""What NNX and Linen models are built alike by: registering a layer's values by its row."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

import torchcompat
from converters._flax._cells import FlaxCell, ZeroCell
from converters._flax._module import Holder, buffer, parameter
from converters._flax._table import Row


class Builder:
    """One call of `wrap`: what is met twice (tied weights, shared modules) is made once."""

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}

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
            if entry.paths[0] in leaves:
                covered |= set(entry.paths)
                found = [leaves[path] for path in entry.paths]
                self.place(fresh, entry.name, self.tensor(found, entry.layout(layer)))
        for path in leaves:
            if path not in covered:
                raise NotImplementedError(
                    f"wrap: {row.flax[0]} holds {path}, which the row has not"
                )
        self.absent(fresh, row)

    def absent(self, fresh: Any, row: Row) -> None:
        """What torch's layer has and Flax's has not."""
        for name, like in row.absent:
            held = getattr(fresh, like, None)
            if held is not None:
                zeros = jnp.zeros(held.shape, held._cell.value.dtype)
                fresh.register_parameter(name, parameter(ZeroCell(zeros, name), trainable=False))
        if row.counts:
            count = torchcompat.tensor(0, dtype=torchcompat.int64)
            fresh.register_buffer("num_batches_tracked", count)

    def tensor(self, variables: Any, layout: Any) -> Any:
        key = (*map(self.key, variables), layout)
        if key not in self.made:
            cell = FlaxCell([self.box(v) for v in variables], layout)
            is_parameter = self.is_parameter(variables[0])
            made = parameter(cell) if is_parameter else buffer(cell)
            self.made[key] = made, self.is_passing(variables[0])
        return self.made[key]

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
