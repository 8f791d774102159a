"""Linen models in torch clothes: which layer holds which variables is seen in an abstract call."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import jax

import torchcompat
from converters._flax._build import Builder
from converters._flax._layouts import SAME
from converters._flax._module import FlaxModule
from converters._flax._run import Call, _running, wide
from converters._flax._table import row_of
from torchcompat._tensor._dispatch import map_nested

_STREAMS = ("params", "dropout")


class Leaf:
    """One array of a Linen model's variables."""

    __slots__ = ("holder", "key", "collection")

    def __init__(self, holder: dict, key: str, collection: str) -> None:
        self.holder, self.key, self.collection = holder, key, collection

    @property
    def variable(self) -> Leaf:
        return self

    def get(self) -> Any:
        return self.holder[self.key]

    def set(self, array: Any) -> None:
        self.holder[self.key] = array


class Layer:
    """A Linen layer as the table's rows look at it: its attributes, and the shapes of its values."""

    def __init__(self, module: Any, leaves: dict[str, Leaf]) -> None:
        self._module, self._leaves = module, leaves

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def shape(self, path: str) -> tuple:
        return tuple(self._leaves[path].get().shape)

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


def see(module: Any, variables: dict, inputs: tuple, kwargs: dict) -> dict[tuple, tuple]:
    """The modules of a Linen model by path, each with its torch name, from an abstract call."""
    linen = sys.modules["flax.linen"]
    seen: dict[tuple, tuple] = {}

    def look(function: Any, args: tuple, given: dict, context: Any) -> Any:
        result = function(*args, **given)
        node = context.module
        _check_lifting(node, variables)
        seen.setdefault(tuple(node.path), (node, _torch_name(node)))
        return result

    def call(values: dict, arrays: tuple, keys: dict) -> Any:
        args, named = map_nested(_to_array, (arrays, keys))
        streams = {name: jax.random.key(0) for name in _STREAMS}
        return module.apply(values, *args, **named, rngs=streams, mutable=True)

    with linen.intercept_methods(look):
        fixed, arrays = _split_static((inputs, kwargs))
        jax.eval_shape(lambda v, a: call(v, *_joined(fixed, a)), variables, arrays)
    return {path: seen[path] for path in sorted(seen, key=lambda p: (len(p), list(seen).index(p)))}


def _split_static(given: Any) -> tuple[Any, list]:
    leaves, form = jax.tree.flatten(map_nested(_to_array, given))
    places = [hasattr(x, "shape") for x in leaves]
    fixed = (form, [None if p else x for p, x in zip(places, leaves)], places)
    return fixed, [x for p, x in zip(places, leaves) if p]


def _joined(fixed: Any, arrays: list) -> Any:
    form, leaves, places = fixed
    rest = iter(arrays)
    return jax.tree.unflatten(form, [next(rest) if p else x for p, x in zip(places, leaves)])


def _to_array(x: Any) -> Any:
    return x._read() if isinstance(x, torchcompat.Tensor) else x


def _check_lifting(node: Any, variables: dict) -> None:
    """A module inside of a lifted transform sees its values without the axes that were added."""
    for collection, values in node.variables.items():
        held: Any = variables.get(collection, {})
        for part in node.path:
            held = held.get(part, {}) if isinstance(held, dict) else {}
        for name, x in values.items():
            stored = held.get(name) if isinstance(held, dict) else None
            if hasattr(x, "shape") and getattr(stored, "shape", x.shape) != x.shape:
                raise NotImplementedError(
                    f"wrap: {'.'.join(node.path)} is inside of a lifted transform (scan, vmap)"
                )


def _torch_name(node: Any) -> str:
    """The name below its parent: lists and dicts assigned in `setup` give `blocks.0`."""
    name, parent = node.name or "", node.parent
    for attribute, held in vars(parent).items() if parent is not None else ():
        items = enumerate(held) if isinstance(held, (list, tuple)) else ()
        items = held.items() if isinstance(held, Mapping) else items
        for key, x in items:
            if getattr(x, "name", None) == name and name == f"{attribute}_{key}":
                is_sequence = attribute == "layers" and type(parent).__name__ == "Sequential"
                return str(key) if is_sequence else f"{attribute}.{key}"
    return name


class LinenBuild(Builder):
    """Builds the faces of one Linen model."""

    def __init__(self, seen: dict[tuple, tuple], variables: dict, root: tuple = ()) -> None:
        super().__init__()
        self.seen, self.variables, self.root = seen, variables, root

    def module(self, path: tuple) -> LinenFace:
        node, _ = self.seen[path]
        leaves = self.leaves(path)
        fresh = LinenFace(node.clone(parent=None, name=None), self.part(path), (self.seen, path))
        row = row_of(Layer(node, leaves), type(node), linen=True)
        if row is not None:
            self.layer(fresh, row, Layer(node, leaves), leaves)
            return fresh
        below = [p for p in self.seen if len(p) == len(path) + 1 and p[: len(path)] == path]
        for child in below:
            *above, name = self.seen[child][1].split(".")
            self.holder(fresh, above).add_module(name, self.module(child))
        for name, leaf in leaves.items():
            first = name.split(".")[0]
            if (*path, first) in self.seen:
                continue
            if "." in name:
                raise NotImplementedError(f"wrap: no call of the module with the variable {name}")
            self.place(fresh, name, self.tensor((leaf,), SAME))
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

    def is_parameter(self, variable: Any) -> bool:
        return variable.collection == "params"

    def box(self, variable: Any) -> Any:
        return variable

    def key(self, variable: Any) -> Any:
        return id(variable.holder), variable.key


def located(variables: dict) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """The leaves of all collections with their paths, the collection first."""
    stack = [((name,), values) for name, values in variables.items()]
    while stack:
        path, values = stack.pop(0)
        for key, x in values.items():
            if isinstance(x, dict):
                stack.append(((*path, key), x))
            elif hasattr(x, "dtype"):
                yield (*path, key), Leaf(values, key, path[0])
            else:
                raise NotImplementedError(f"wrap: {'.'.join((*path, key))} is {type(x).__name__}")


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
        for tensor, value in zip(self.state, values):
            cell: Any = tensor._cell
            for box, part in zip(cell.boxes, cell.split(value)):
                before[self._place(box)] = part
        module = self.module.flax_module
        others = [c for c in self.module.variables if c != "params"] if self.module.training else []
        with jax.enable_x64(wide()):
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
        return result, {p: x.get() for p, x in located(_plain(new))}

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


def _plain(x: Any) -> Any:
    """Nested mappings (a FrozenDict too) as dicts, which can be written to."""
    return {k: _plain(v) for k, v in x.items()} if isinstance(x, Mapping) else x


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
    tree = variables if _is_plain(variables) else _plain(variables)
    return LinenBuild(see(module, copy.copy(tree), inputs, kwargs), tree).module(())
