"""Modules as Flax NNX graph nodes and as JAX pytrees. The one file, with `module.py`, that knows Flax.

A parameter or buffer that NNX looks at gets a `flax.nnx.Variable` as its storage: its path in the NNX
state, joined by dots, is its torch name. What is static (attributes, hooks, `training`, the order of
names) travels as one `_Static`, compared by identity: a module keeps its own until its version changes,
and copies made by `nnx.merge` or `jax.jit` share it, so caches hit.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import jax
from flax import nnx

from torchcompat._tensor import Cell, Tensor
from torchcompat._tensor._cell import slot
from torchcompat._tensor._tensor import blank
from torchcompat.nn.parameter import Parameter

try:  # Flax 0.12.2 moved the graph functions; either place has `register_graph_node_type`
    from flax.nnx import graphlib
except ImportError:
    from flax.nnx import graph as graphlib  # type: ignore[no-redef]

_RAW = "_raw_value" if hasattr(nnx.Variable, "_raw_value") else "raw_value"
_DATA = getattr(graphlib, "DataElem", lambda x: x)
_STATIC = getattr(graphlib, "StaticElem", lambda x: x)
_HELD = ("_parameters", "_buffers", "_modules")
_DERIVED = ("_tc_static", "_tc_described", "_compiled_call_impl")
_KEY = "__static__"


class FrozenParam(nnx.Variable):
    """A parameter with `requires_grad=False`: `wrt=nnx.Param` leaves it out."""


class Buffer(nnx.Variable):
    """A registered buffer."""


class VariableCell(Cell):
    """A storage whose array lives in an `nnx.Variable`, so that NNX and torch see each other's writes."""

    __slots__ = ()

    @property  # type: ignore[override]
    def value(self) -> Any:
        return getattr(slot.__get__(self), _RAW)

    @value.setter
    def value(self, value: Any) -> None:
        object.__setattr__(slot.__get__(self), _RAW, value)

    @property
    def variable(self) -> nnx.Variable:
        return slot.__get__(self)


# The tensor that stands for a variable: one variable met twice (tied weights) is one tensor.
_tensors: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()


def variable_of(tensor: Tensor) -> nnx.Variable:
    """The variable behind a parameter or buffer; made on first use."""
    kind = _variable_type(tensor)
    cell = tensor._cell
    if isinstance(cell, VariableCell) and type(cell.variable) is kind:
        return cell.variable
    if tensor._layout is not None:
        # A view has no variable of its own: from here on the tensor owns its values.
        cell = tensor._cell = Cell(tensor._read())
        tensor._layout = None
    variable = kind(cell.value)
    slot.__set__(cell, variable)
    cell.__class__ = VariableCell
    _tensors[id(variable)] = tensor
    return variable


def _variable_type(tensor: Tensor) -> type[nnx.Variable]:
    if not isinstance(tensor, Parameter):
        return Buffer
    return nnx.Param if tensor._requires_grad else FrozenParam


def _tensor_of(variable: nnx.Variable, kind: type, attributes: dict) -> Tensor:
    found = _tensors.get(id(variable))
    cell = None if found is None else found._cell
    if isinstance(cell, VariableCell) and cell.variable is variable:
        return found
    tensor = blank(kind)
    tensor._cell = Cell(None)
    slot.__set__(tensor._cell, variable)
    tensor._cell.__class__ = VariableCell
    tensor._requires_grad = isinstance(variable, nnx.Param)
    tensor.__dict__.update(attributes)
    _tensors[id(variable)] = tensor
    return tensor


class _Static:
    """A module without its arrays and children: what a copy is rebuilt from."""

    __slots__ = ("attributes", "names", "kinds")

    def __init__(self, module: Any) -> None:
        own = module.__dict__
        self.attributes = {k: v for k, v in own.items() if k not in _DERIVED}
        self.names = {home: tuple(own[home]) for home in _HELD}
        self.kinds = {
            key: (type(t), dict(t.__dict__))
            for home in _HELD[:2]
            for key, t in own[home].items()
            if isinstance(t, Tensor)
        }
        for home in _HELD:
            self.attributes[home] = type(own[home])()

    def start(self, module: Any) -> None:
        """Gives an empty `module` these attributes, with every name in place and nothing held."""
        clock = copy.copy(self.attributes["_tc_version"])
        own = module.__dict__
        for key, value in self.attributes.items():
            if hasattr(value, "clock"):
                value = type(value)(value, clock)
            elif isinstance(value, (set, list, dict)):
                value = copy.copy(value)
            own[key] = value
        for home, names in self.names.items():
            for name in names:
                dict.__setitem__(own[home], name, None)
        own["_tc_version"] = clock
        own["_tc_static"] = clock.value, self


def _static_of(module: Any) -> _Static:
    version = module._structure_version
    kept = module.__dict__.get("_tc_static")
    if kept is None or kept[0] != version:
        kept = module.__dict__["_tc_static"] = version, _Static(module)
    return kept[1]


def _children(module: Any) -> Iterator[tuple[str, Any]]:
    """Variables and submodules by name, in torch's order."""
    for name in _HELD[:2]:
        for key, tensor in getattr(module, name).items():
            if tensor is not None:
                yield key, variable_of(tensor) if isinstance(tensor, Tensor) else tensor
    for key, child in module._modules.items():
        if child is not None:
            yield key, child


def _place(module: Any, key: str, value: Any) -> None:
    """Puts a variable, submodule or (in JAX's own tree surgery) any object under its name."""
    static = _static_of(module)
    for name in _HELD:
        if key in static.names[name]:
            held = getattr(module, name)
            break
    else:
        raise KeyError(key)
    if isinstance(value, nnx.Variable):
        kind, attributes = static.kinds.get(key, (Tensor, {}))
        value = _tensor_of(value, kind, attributes)
    dict.__setitem__(held, key, value)


# -- NNX graph node -------------------------------------------------------------------------------


def _graph_flatten(module: Any) -> tuple[list[tuple[str, Any]], type]:
    items = [(key, _DATA(value)) for key, value in _children(module)]
    items.append((_KEY, _STATIC(_static_of(module))))
    return sorted(items, key=lambda item: item[0]), type(module)


def _graph_set(module: Any, key: str, value: Any) -> None:
    if key != _KEY:
        _place(module, key, value)
    elif _static_of(module) is not value:
        kept = dict(_children(module))
        module.__dict__.clear()
        value.start(module)
        for name, child in kept.items():
            _place(module, name, child)


def _graph_pop(module: Any, key: str) -> Any:
    for name in _HELD:
        held = getattr(module, name)
        if key in held:
            value = held.pop(key)
            return variable_of(value) if isinstance(value, Tensor) else value
    raise KeyError(key)


def _graph_init(module: Any, items: Iterable[tuple[str, Any]]) -> None:
    attributes = dict(items)
    attributes.pop(_KEY).start(module)
    for key, value in attributes.items():
        _place(module, key, value)


# -- JAX pytree -----------------------------------------------------------------------------------


def _tree_flatten_with_keys(module: Any) -> tuple[list, _Static]:
    children = [(jax.tree_util.GetAttrKey(key), value) for key, value in _children(module)]
    return children, _TreeKey(_static_of(module), tuple(key.name for key, _ in children))


def _tree_flatten(module: Any) -> tuple[list, Any]:
    children = list(_children(module))
    names = tuple(key for key, _ in children)
    return [value for _, value in children], _TreeKey(_static_of(module), names)


class _TreeKey(tuple):
    """`(static, names)`: what two trees must share to have the same structure."""

    def __new__(cls, static: _Static, names: tuple[str, ...]) -> _TreeKey:
        return super().__new__(cls, (static, names))


def _tree_unflatten(kind: type, key: tuple, children: Iterable[Any]) -> Any:
    static, names = key
    module: Any = object.__new__(kind)
    static.start(module)
    for name, value in zip(names, children):
        _place(module, name, value)
    return module


def register(kind: type) -> None:
    """Makes a Module class an NNX graph node type and a JAX pytree."""
    graphlib.register_graph_node_type(
        kind,
        flatten=_graph_flatten,
        set_key=_graph_set,
        pop_key=_graph_pop,
        create_empty=object.__new__,
        clear=lambda module: module.__dict__.clear(),
        init=_graph_init,
    )
    jax.tree_util.register_pytree_with_keys(
        kind,
        _tree_flatten_with_keys,
        lambda key, children: _tree_unflatten(kind, key, children),
        _tree_flatten,
    )
