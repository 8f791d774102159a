"""Linen models in torch clothes: which layer holds which variables is seen in an abstract call."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import jax

from converters._flax._build import LeafBuilder
from converters._flax._layouts import SAME
from converters._flax._module import FlaxModule, StackedModule
from converters._flax._run import Call, _running
from converters._flax._seen import Leaf, located, plain, see
from converters._flax._table import row_of


class Layer:
    """A Linen layer as the table's rows look at it: its attributes, and the shapes of its values.

    Args:
        stacked: the values are those of several layers, stacked along the first axis.
    """

    def __init__(self, module: Any, leaves: dict[str, Leaf], stacked: bool) -> None:
        self._module, self._leaves, self._skip = module, leaves, int(stacked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def shape(self, path: str) -> tuple:
        return tuple(self._leaves[path].get().shape)[self._skip :]

    @property
    def bias_shape(self) -> tuple | None:
        return self.shape("bias") if "bias" in self._leaves else None


class LinenFace(FlaxModule):
    """One module of a Linen model.

    Attributes:
        variables: the variables of this module, as `apply` takes them; they are the shared values.
    """

    def __init__(self, flax_module: Any, variables: dict, build: tuple) -> None:
        super().__init__(flax_module)
        self.__dict__.update(variables=variables, _call_type=LinenCall, _build=build)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Applies the Linen module.

        Args:
            args, kwargs: the module's own, features last.
            rngs: of each random stream, a key or a number to make one of.
        """
        return super().forward(*args, **kwargs)

    def train(self, mode: bool = True) -> LinenFace:
        """Sets the mode; a Linen module itself is told by the arguments of its call."""
        return super(FlaxModule, self).train(mode)  # type: ignore[return-value]

    def __deepcopy__(self, memo: dict) -> LinenFace:
        seen, path = self._build
        values = jax.tree.map(lambda x: x, self.variables)
        return self._copied(LinenBuild(seen, values, path).module(path), memo)


class LinenBuild(LeafBuilder):
    """Builds the faces of one Linen model."""

    def __init__(self, seen: dict[tuple, tuple], variables: dict, root: tuple = ()) -> None:
        super().__init__()
        self.seen, self.variables, self.root = seen, variables, root

    def module(self, path: tuple) -> Any:
        node, _, count = self.seen[path]
        leaves = self.leaves(path)
        alone = node.clone(parent=None, name=None)
        if self.index is not None:
            fresh: Any = StackedModule(alone)
        else:
            fresh = LinenFace(alone, self.part(path), (self.seen, path))
            if count is not None:
                self.stack(fresh, count, lambda: self.module(path))
                return fresh
        layer = Layer(node, leaves, stacked=self.index is not None)
        row = row_of(layer, type(node), linen=True)
        if row is not None:
            self.layer(fresh, row, layer, leaves)
            return fresh
        below = [p for p in self.seen if len(p) == len(path) + 1 and p[: len(path)] == path]
        for child in below:
            *above, name = self.seen[child][1].split(".")
            self.holder(fresh, above).add_module(name, self.module(child))
        for name, leaf in leaves.items():
            first, _, rest = name.partition(".")
            if (*path, first) in self.seen:
                continue
            if rest:
                raise NotImplementedError(f"wrap: no call of the module with the variable {name}")
            self.place(fresh, name.replace("/", "."), self.tensor((leaf,), SAME))
        return fresh

    def part(self, path: tuple) -> dict:
        """The variables below `path`: the same nested dicts."""
        if path == self.root:
            return self.variables
        found = {}
        for collection, values in self.variables.items():
            for name in path[len(self.root) :]:
                values = values.get(name) if isinstance(values, dict) else None
            if values is not None:
                found[collection] = values
        return found

    def leaves(self, path: tuple) -> dict[str, Leaf]:
        return {".".join(p[1:]): leaf for p, leaf in located(self.part(path))}


class LinenCall(Call):
    """One call of a wrapped Linen model."""

    def _located(self) -> Iterator[tuple[tuple, Any]]:
        return located(self.module.variables)

    def __init__(self, module: FlaxModule, args: tuple, kwargs: dict) -> None:
        self.places = {}
        super().__init__(module, args, kwargs)
        self.places = {(id(x.holder), x.key): p for p, x in self.variables.items()}

    def _hidden(self) -> list:
        return []

    def _place(self, variable: Any) -> tuple:
        return self.places[id(variable.holder), variable.key]

    def _set(self, variable: Any, array: Any) -> None:
        variable.set(array)

    def compute(self, values: list, hooked: bool = True) -> list:
        """The arrays among the results, then the changed variables, of the values of all tensors."""
        before = {p: x.get() for p, x in self.variables.items()}
        before |= self._arrays(values)
        module = self.module.flax_module
        others = [c for c in self.module.variables if c != "params"] if self.module.training else []
        with jax.enable_x64(self.wide):
            args, kwargs = self._arguments(values[len(self.state) :])
            keys = {name: _key(x) for name, x in (kwargs.pop("rngs", None) or {}).items()}
            apply = partial(module.apply, _nested(before), *args, rngs=keys, **kwargs)
            result, new = self._applied(apply, others, hooked)
        return self._flat(result, before, before | new)

    def _applied(self, apply: Any, others: list, hooked: bool) -> tuple[Any, dict]:
        faces = self._by_path() if hooked else {}

        def route(function: Any, args: tuple, kwargs: dict, context: Any) -> Any:
            face = faces.get(tuple(context.module.path))
            if context.method_name != "__call__" or face is None or id(face) in _running:
                return function(*args, **kwargs)
            _running[id(face)] = function, self
            try:
                result = face(*args, **kwargs)
            finally:
                _running.pop(id(face))
            self.check_unchanged(result)
            return result

        with sys.modules["flax.linen"].intercept_methods(route):
            if not others:
                return apply(), {}
            result, new = apply(mutable=others)
        return result, {p: x.get() for p, x in located(plain(new))}

    def _by_path(self) -> dict[tuple, FlaxModule]:
        own = self.module._build[1]
        wanted = self._hooked().values()
        return {m._build[1][len(own) :]: m for m in wanted}


def _key(x: Any) -> Any:
    return jax.random.key(x) if isinstance(x, int) else x


def _nested(leaves: dict[tuple, Any]) -> dict:
    tree: dict = {}
    for path, x in leaves.items():
        place = tree
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = x
    return tree


def _is_plain(x: Any) -> bool:
    return not isinstance(x, Mapping) or (type(x) is dict and all(map(_is_plain, x.values())))


def wrap_linen(module: Any, variables: Any, inputs: tuple, kwargs: dict) -> LinenFace:
    """`wrap` of a Linen module."""
    if variables is None:
        raise TypeError("wrap: a Linen module needs its variables")
    if not inputs and not kwargs:
        raise NotImplementedError(
            "wrap: a Linen module without example inputs; which layer holds a kernel is seen in a "
            "call only: wrap(module, variables, x)"
        )
    tree = variables if _is_plain(variables) else plain(variables)
    return LinenBuild(see(module, copy.copy(tree), inputs, kwargs), tree).module(())
