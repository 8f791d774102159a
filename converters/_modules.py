"""Modules between torch and torchcompat: members, hooks, parametrizations, compiled modules."""

from __future__ import annotations

import importlib
from typing import Any

from torchcompat.nn import Module

_MEMBERS = ("_parameters", "_buffers", "_modules")
_OURS = ("_tc_version", "_tc_static", "_tc_described", "_compiled_call_impl")
# What torch's recurrent layers keep besides their parameters; `_init_flat_weights` makes it.
_FLAT = ("_flat_weights", "_flat_weight_refs")


def is_module(x: Any, library: str) -> bool:
    """Whether `x` is a module of the library with this top-level name."""
    return any(
        kind.__name__ == "Module" and kind.__module__ == f"{library}.nn.modules.module"
        for kind in type(x).__mro__
    )


def module(convert: Any, x: Any, path: str) -> Any:
    """The counterpart of a module: the other library's class, and `x` attribute by attribute.

    Args:
        convert: the translation; it is called with a value and its path.
    """
    direction = convert.direction
    for kind in type(x).__mro__:
        if kind.__name__ in _SPECIAL and kind.__module__.startswith(f"{direction.source}."):
            return _SPECIAL[kind.__name__](convert, x, path)
    derived = _parametrized(x, direction.source)
    kind = convert.classes.class_(type(x).__mro__[1] if derived else type(x), path)
    if kind is None:
        return None
    fresh = object.__new__(kind)
    convert.remember(x, fresh)
    importlib.import_module(f"{direction.target}.nn").Module.__init__(fresh)
    for name, home in fresh.__dict__.items():
        if isinstance(home, dict):
            convert.remember(x.__dict__[name], home)
    for name, value in x.__dict__.items():
        if name not in _OURS + _FLAT:
            _attribute(convert, fresh, name, value, path)
    _reserve_hooks(fresh, direction.target)
    if hasattr(kind, "_init_flat_weights"):
        fresh._init_flat_weights()
    if derived:
        _parametrize(fresh, list(x.parametrizations), direction.target)
    if getattr(x, "_compiled_call_impl", None) is not None:
        fresh.compile()
    return fresh


def _attribute(convert: Any, fresh: Any, name: str, value: Any, path: str) -> None:
    home = fresh.__dict__.get(name)
    if not isinstance(home, dict):
        fresh.__dict__[name] = convert(value, _join(path, name))
        return
    inside = path if name in _MEMBERS else _join(path, name)
    for key, one in value.items():
        home[key] = convert(one, _join(inside, str(key)))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _reserve_hooks(fresh: Any, target: str) -> None:
    """Handles that are given out from now on have numbers that no hook here has."""
    handle = importlib.import_module(f"{target}.utils.hooks").RemovableHandle
    homes = [home for name, home in fresh.__dict__.items() if name.endswith("_hooks")]
    taken = [key + 1 for home in homes for key in home]
    handle.next_id = max([handle.next_id, *taken])


def _parametrized(x: Any, source: str) -> bool:
    """Whether `register_parametrization` has made the class of `x`."""
    kind = type(x)
    is_made = kind.__name__ == f"Parametrized{kind.__mro__[1].__name__}"
    return is_made and kind.__module__ == f"{source}.nn.utils.parametrize"


def _parametrize(fresh: Any, names: list[str], target: str) -> None:
    parametrize = importlib.import_module(f"{target}.nn.utils.parametrize")
    if target == "torchcompat":
        parametrize._set_class(fresh, type(fresh), names)
        return
    parametrize._inject_new_class(fresh)
    for name in names:
        parametrize._inject_property(fresh, name)


# -- modules that are more than their attributes ---------------------------------------------------------


def _compiled(convert: Any, x: Any, path: str) -> Any:
    library = importlib.import_module(convert.direction.target)
    return library.compile(convert(x._orig_mod, _join(path, "_orig_mod")))


def _traced(convert: Any, x: Any, path: str) -> Any:
    """A `GraphModule`: its graph node by node, over its members."""
    fx = importlib.import_module(f"{convert.direction.target}.fx")
    root = importlib.import_module(f"{convert.direction.target}.nn").Module()
    for name in _MEMBERS:
        _attribute(convert, root, name, getattr(x, name), path)
    graph = fx.Graph()
    for node in x.graph.nodes:
        target = convert(node.target, f"{path}: {node.name}")
        args, kwargs = (_argument(convert, y, path) for y in (node.args, node.kwargs))
        convert.remember(node, graph.create_node(node.op, target, args, kwargs, node.name))
    return fx.GraphModule(root, graph, type(x).__name__).train(x.training)


def _argument(convert: Any, x: Any, path: str) -> Any:
    """An argument in a graph; the containers of `fx`, which take no writes, become Python's own."""
    if isinstance(x, dict):
        return {key: _argument(convert, one, path) for key, one in x.items()}
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return (list if isinstance(x, list) else tuple)(_argument(convert, y, path) for y in x)
    if isinstance(x, slice):
        return slice(*_argument(convert, (x.start, x.stop, x.step), path))
    return convert(x, path)


def _scripted(convert: Any, x: Any, path: str) -> None:
    convert.unsupported(x, path, "TorchScript, which holds no Python source to run")


_SPECIAL = {
    "OptimizedModule": _compiled,
    "GraphModule": _traced,
    "ScriptModule": _scripted,
}


# -- filling a given module ------------------------------------------------------------------------------


def filled(into: Any, x: Any, convert: Any) -> Any:
    """`into`, a torch module, with the values of `x`, strictly.

    Args:
        x: a module of ours or a `state_dict`.
        convert: the translation to torch, called with a value.
    """
    if not is_module(into, "torch"):
        raise TypeError(f"to_torch: into must be a torch module, not {type(into).__name__}")
    values = x.state_dict() if isinstance(x, Module) else dict(x)
    into.load_state_dict(convert(values), strict=True)
    if isinstance(x, Module):
        passing = {k: b for k, b in x.named_buffers() if k not in values}
        for name, buffer in into.named_buffers():
            if name in passing:
                buffer.copy_(convert(passing[name]))
    return into
