"""`wrap`: builds the torch face of a Flax model, layer by layer, by the table."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

import torchcompat
from converters._flax import _nnx
from converters._flax._cells import FlaxCell, ZeroCell
from converters._flax._layouts import SAME
from converters._flax._module import FlaxModule, Holder, buffer, parameter
from converters._flax._table import Row, row_of


def wrap(flax_module: Any, variables: Any = None) -> FlaxModule:
    """A Flax model in torch clothes: torch's names and layouts over the Flax model's own values.

    Nothing is copied: what is loaded into the result changes the Flax model, and a change of the
    Flax model shows in `state_dict()`. `children`, `named_modules`, `parameters`, `state_dict`,
    `load_state_dict`, forward hooks, gradients and `torchcompat.compile` work as with any module.
    Inputs and results keep Flax's layout (features last).

    Args:
        flax_module: an `nnx.Module`.
        variables: of a Linen module, its variables.

    Raises:
        NotImplementedError: it has a layer that the table of layers has no row for, or it is a
            Linen module.

    Example:
        >>> model = wrap(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
        >>> list(model.state_dict())
        ['weight', 'bias']
    """
    if _nnx.is_linen_module(flax_module):
        raise NotImplementedError("wrap: Linen modules; wrap takes nnx modules")
    if variables is not None:
        raise TypeError("wrap: an nnx module holds its variables itself; variables must be None")
    if not _nnx.is_flax(flax_module, "Module"):
        raise TypeError(f"wrap: a Flax module is expected, not {type(flax_module).__name__}")
    return _Build().module(flax_module)


class _Build:
    """One call of `wrap`: what is met twice (tied weights, shared modules) is made once."""

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}

    def module(self, node: Any) -> Any:
        if id(node) not in self.made:
            known = _nnx.is_nnx_module(node) and not _nnx.is_container(node)
            fresh = self.made[id(node)] = FlaxModule(node) if known else Holder()
            row = row_of(node) if known else None
            if row is not None:
                self.layer(fresh, row, node)
            else:
                self.members(fresh, node)
        return self.made[id(node)]

    def members(self, fresh: Any, node: Any) -> None:
        """Variables and children under their own names."""
        source = node.layers if _nnx.is_flax(node, "Sequential") else node
        for name, x in _nnx.members(source):
            if _nnx.is_variable(x):
                if not _nnx.is_flax(x, "RngState"):
                    self.place(fresh, name, x, self.tensor((x,), SAME))
            elif not _nnx.is_flax(x, "Rngs", "RngStream"):
                fresh.add_module(name, self.module(x))

    def layer(self, fresh: Any, row: Row, node: Any) -> None:
        """The entries of the layer's row."""
        covered = set()
        for entry in row.entries:
            found = [_at(node, path) for path in entry.paths]
            if found[0] is None:
                continue
            covered |= {id(x) for x in found}
            self.place(fresh, entry.name, found[0], self.tensor(found, entry.layout(node)))
        for path, x in _nnx.walk(node):
            if _nnx.is_variable(x) and id(x) not in covered and not _nnx.is_flax(x, "RngState"):
                raise NotImplementedError(
                    f"wrap: {type(node).__name__} holds {'.'.join(path)}, which the row has not"
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
        key = (*map(id, variables), layout)
        if key not in self.made:
            cell = FlaxCell([_nnx.VariableBox(v) for v in variables], layout)
            is_parameter = _nnx.is_flax(variables[0], "Param")
            self.made[key] = parameter(cell) if is_parameter else buffer(cell)
        return self.made[key]

    def place(self, fresh: Any, name: str, variable: Any, tensor: Any) -> None:
        """Registers `tensor` under a name that may lead into a child."""
        *above, name = name.split(".")
        for part in above:
            if part not in fresh._modules:
                fresh.add_module(part, Holder())
            fresh = fresh._modules[part]
        if _nnx.is_flax(variable, "Param"):
            fresh.register_parameter(name, tensor)
        else:
            passing = _nnx.is_flax(variable, "Cache", "Intermediate")
            fresh.register_buffer(name, tensor, persistent=not passing)


def _at(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = getattr(node, part, None)
    return node
