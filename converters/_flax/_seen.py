"""What an abstract call shows of a Linen model: its modules, whose values they hold, what is stacked."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax

import torchcompat
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


def plain(x: Any) -> Any:
    """Nested mappings (a FrozenDict too) as dicts, which can be written to."""
    return {k: plain(v) for k, v in x.items()} if isinstance(x, Mapping) else x


class _Seen:
    """What an abstract call shows of a Linen model.

    Attributes:
        modules: by path, each module and its torch name, in the order of their calls.
        stacks: by path, how many layers a lifted transform has stacked in a module.
    """

    def __init__(self, variables: dict) -> None:
        self.stored = {path: tuple(leaf.get().shape) for path, leaf in located(variables)}
        self.modules: dict[tuple, tuple] = {}
        self.stacks: dict[tuple, int] = {}

    def note(self, node: Any) -> None:
        """A method of `node` is entered. Inside of a lifted transform it sees parts of its values."""
        path = tuple(node.path)
        self.modules.setdefault(path, (node, _torch_name(node)))
        for (collection, *names), x in _leaves_of(node.variables):
            stored = self.stored.get((collection, *path, *names), tuple(x.shape))
            count = None if stored == tuple(x.shape) else self._count(path, stored, tuple(x.shape))
            above = [n for root, n in self.stacks.items() if path[: len(root)] == root]
            if above and count not in above and (count is not None or path not in self.stacks):
                self._refuse(path)
            if count is not None and not above:
                self.stacks[path] = count

    def _count(self, path: tuple, stored: tuple, part: tuple) -> int:
        if stored[1:] != part:
            self._refuse(path)
        return stored[0]

    def _refuse(self, path: tuple) -> None:
        raise NotImplementedError(
            f"wrap: {'.'.join(path)} is inside of a lifted transform (scan, vmap) that does not stack "
            "all of its values along their first axis"
        )

    def found(self) -> dict[tuple, tuple]:
        """By path, parents first: the module, its torch name and how many are stacked in it."""
        order = sorted(self.modules, key=len)
        return {path: (*self.modules[path], self.stacks.get(path)) for path in order}


def _leaves_of(variables: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    for path, x in jax.tree_util.tree_leaves_with_path(plain(variables)):
        if hasattr(x, "shape"):
            yield tuple(key.key for key in path), x


def see(module: Any, variables: dict, inputs: tuple, kwargs: dict) -> dict[tuple, tuple]:
    """The modules of a Linen model by path, from an abstract call: see `_Seen.found`."""
    linen = sys.modules["flax.linen"]
    seen = _Seen(variables)

    def look(function: Any, args: tuple, given: dict, context: Any) -> Any:
        seen.note(context.module)
        return function(*args, **given)

    def call(values: dict, arrays: tuple, keys: dict) -> Any:
        args, named = map_nested(_to_array, (arrays, keys))
        streams = {name: jax.random.key(0) for name in _STREAMS}
        return module.apply(values, *args, **named, rngs=streams, mutable=True)

    with linen.intercept_methods(look):
        fixed, arrays = _split_static((inputs, kwargs))
        jax.eval_shape(lambda v, a: call(v, *_joined(fixed, a)), variables, arrays)
    return seen.found()


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
