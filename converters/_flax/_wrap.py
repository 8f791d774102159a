"""`wrap`: builds the torch face of a Flax model, layer by layer, by the table."""

from __future__ import annotations

from typing import Any

from converters._flax import _nnx
from converters._flax._build import Builder
from converters._flax._layouts import SAME
from converters._flax._linen import wrap_linen
from converters._flax._module import FlaxModule, Holder, StackedModule
from converters._flax._stacks import stacked
from converters._flax._table import row_of


def wrap(flax_module: Any, variables: Any = None, *inputs: Any, **kwargs: Any) -> FlaxModule:
    """A Flax model in torch clothes: torch's names and layouts over the Flax model's own values.

    Nothing is copied: what is loaded into the result changes the Flax model, and a change of the
    Flax model shows in `state_dict()`. `children`, `named_modules`, `parameters`, `state_dict`,
    `load_state_dict`, forward hooks, gradients and `torchcompat.compile` work as with any module.
    Inputs and results keep Flax's layout (features last).

    Args:
        flax_module: an `nnx.Module` or a Linen module.
        variables: of a Linen module, its variables; nested dicts are written to, a `FrozenDict` is
            copied into the result's `variables`.
        inputs, kwargs: of a Linen module, example arguments of its call, which is traced without
            computing anything: it shows which layer holds which variables.

    Raises:
        NotImplementedError: it has a layer that the table of layers has no row for.

    Example:
        >>> model = wrap(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
        >>> list(model.state_dict())
        ['weight', 'bias']
    """
    if _nnx.is_linen_module(flax_module):
        return wrap_linen(flax_module, variables, inputs, kwargs)
    if variables is not None:
        raise TypeError("wrap: an nnx module holds its variables itself; variables must be None")
    if not _nnx.is_flax(flax_module, "Module"):
        raise TypeError(f"wrap: a Flax module is expected, not {type(flax_module).__name__}")
    return _Build().module(flax_module)


class _Build(Builder):
    """Builds the faces of one NNX model."""

    def module(self, node: Any) -> Any:
        key = id(node), self.index
        if key in self.made:
            return self.made[key]
        known = _nnx.is_nnx_module(node) and not _nnx.is_container(node)
        kind = FlaxModule if self.index is None else StackedModule
        fresh = self.made[key] = kind(node) if known else Holder()
        count = stacked(node) if self.index is None else None
        row = row_of(node, type(node)) if known else None
        if count is not None:
            self.stack(fresh, count, lambda: self.module(node))
        elif row is not None:
            self.layer(fresh, row, node, _leaves(node))
        else:
            self.members(fresh, node)
        return fresh

    def members(self, fresh: Any, node: Any) -> None:
        """Variables and children under their own names."""
        source = node.layers if _nnx.is_flax(node, "Sequential") else node
        for name, x in _nnx.members(source):
            if _nnx.is_variable(x):
                if not _nnx.is_flax(x, "RngState"):
                    self.place(fresh, name, self.tensor((x,), SAME))
            elif not _nnx.is_flax(x, "Rngs", "RngStream"):
                fresh.add_module(name, self.module(x))

    def is_parameter(self, variable: Any) -> bool:
        return _nnx.is_flax(variable, "Param")

    def is_passing(self, variable: Any) -> bool:
        return _nnx.is_flax(variable, "Cache", "Intermediate")

    def box(self, variable: Any) -> Any:
        return _nnx.VariableBox(variable)


def _leaves(node: Any) -> dict[str, Any]:
    """The variables of a layer by path, without random streams."""
    found = ((".".join(path), x) for path, x in _nnx.walk(node) if _nnx.is_variable(x))
    return {path: x for path, x in found if not _nnx.is_flax(x, "RngState")}
