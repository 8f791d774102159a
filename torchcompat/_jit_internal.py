"""What TorchScript's decorators and annotations come to where there is no TorchScript.

Decorators return the function they are given, marked as torch marks it; nothing is ever scripted.
"""

from __future__ import annotations

import collections
import enum
import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, Union, get_args, get_origin

from torchcompat.futures import Future

__all__ = [
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "Final",
    "Future",
    "FunctionModifiers",
    "boolean_dispatch",
    "export",
    "ignore",
    "is_final",
    "is_scripting",
    "unused",
]


class FunctionModifiers(enum.Enum):
    """How a decorator asked TorchScript to treat a function."""

    UNUSED = "unused (ignored and replaced with raising of an exception)"
    IGNORE = "ignore (leave as a call to Python, cannot be torch.jit.save'd)"
    EXPORT = "export (compile this function even if nothing calls it)"
    DEFAULT = "default (compile if called from a exported function / forward)"
    COPY_TO_SCRIPT_WRAPPER = (
        "if this method is not scripted, copy the python method onto the scripted model"
    )
    _DROP = "_drop (function is fully ignored, declaration can be unscriptable)"


class BroadcastingListCls:
    """`BroadcastingList2[int]`: annotates a list that may be given as one number."""

    def __getitem__(self, types: Any) -> None:
        return None


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = BroadcastingListCls()
BroadcastingList4 = BroadcastingList5 = BroadcastingList6 = BroadcastingList1


def _mark(function: Any, modifier: FunctionModifiers) -> Any:
    if isinstance(function, property):
        _mark(function.fget, modifier)
        if function.fset is not None:
            _mark(function.fset, modifier)
    else:
        function._torchscript_modifier = modifier
    return function


def unused(fn: Callable) -> Callable:
    """Marks a method that TorchScript would leave out; returns it."""
    return _mark(fn, FunctionModifiers.UNUSED)


def export(fn: Callable) -> Callable:
    """Marks a method that TorchScript would compile though nothing calls it; returns it."""
    return _mark(fn, FunctionModifiers.EXPORT)


def _drop(fn: Callable) -> Callable:
    return _mark(fn, FunctionModifiers._DROP)


def _copy_to_script_wrapper(fn: Callable) -> Callable:
    return _mark(fn, FunctionModifiers.COPY_TO_SCRIPT_WRAPPER)


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Marks a method that TorchScript would leave to Python; with or without parentheses.

    Raises:
        RuntimeError: the argument is neither a function nor a bool.
    """
    if callable(drop):
        return _mark(drop, FunctionModifiers.IGNORE)
    if not isinstance(drop, bool):
        raise RuntimeError(
            f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}"
        )
    drop = kwargs.pop("drop_on_export", None) or drop
    modifier = FunctionModifiers.UNUSED if drop else FunctionModifiers.IGNORE
    return functools.partial(_mark, modifier=modifier)


def get_torchscript_modifier(fn: Any) -> Any:
    """The modifier a decorator left, or DEFAULT; None for what is no function."""
    if not callable(fn):
        return None
    fn = getattr(fn, "__func__", fn)
    return getattr(fn, "_torchscript_modifier", FunctionModifiers.DEFAULT)


def is_ignored_fn(fn: Any) -> bool:
    """Whether TorchScript would skip the function."""
    skipped = (FunctionModifiers.UNUSED, FunctionModifiers.IGNORE, FunctionModifiers._DROP)
    return get_torchscript_modifier(fn) in skipped


def should_drop(fn: Any) -> bool:
    """Whether TorchScript would not even keep the function's declaration."""
    return get_torchscript_modifier(fn) is FunctionModifiers.UNUSED


def module_has_exports(mod: Any) -> bool:
    """Whether any method is marked `export`."""
    methods = (getattr(mod, name) for name in dir(mod) if hasattr(mod, name))
    return any(get_torchscript_modifier(m) is FunctionModifiers.EXPORT for m in methods)


def is_scripting() -> bool:
    """False: nothing is compiled to TorchScript here."""
    return False


def is_final(ann: Any) -> bool:
    """Whether an annotation is `Final` or `Final[...]`."""
    return ann is Final or get_origin(ann) is Final or getattr(ann, "__name__", "") == "Final"


def _is_origin(ann: Any, *origins: Any) -> bool:
    return ann in origins or get_origin(ann) in origins


def is_tuple(ann: Any) -> bool:
    """Whether an annotation is a tuple type."""
    return _is_origin(ann, tuple)


def is_list(ann: Any) -> bool:
    """Whether an annotation is a list type."""
    return _is_origin(ann, list)


def is_dict(ann: Any) -> bool:
    """Whether an annotation is a dict type."""
    return _is_origin(ann, dict)


def is_union(ann: Any) -> bool:
    """Whether an annotation is a union of types."""
    return get_origin(ann) is Union or type(ann).__name__ == "UnionType"


def is_optional(ann: Any) -> bool:
    """Whether an annotation allows None."""
    return is_union(ann) and type(None) in get_args(ann)


def is_future(ann: Any) -> bool:
    """Whether an annotation is a Future."""
    return _is_origin(ann, Future)


# -- overloads ---------------------------------------------------------------------------------------

_overloaded_fns: dict[str, list[Callable]] = {}
_overloaded_methods: dict[str, dict[str, list[Callable]]] = {}


def _qualified_name(obj: Any, mangle_name: bool = True) -> str:
    """The dotted name of a class or function."""
    return f"{obj.__module__}.{getattr(obj, '__qualname__', obj.__name__)}"


def _overload(func: Callable) -> Callable:
    """Notes one declared signature of a function; the implementation replaces it under its name."""
    _overloaded_fns.setdefault(_qualified_name(func), []).append(func)
    return func


def _get_fn_overloads(qual_name: str) -> list[Callable] | None:
    return _overloaded_fns.get(qual_name)


def _overload_method(func: Callable) -> Callable:
    """Notes one declared signature of a method; the implementation replaces it under its name."""
    classes = _overloaded_methods.setdefault(_qualified_name(func), {})
    name = func.__qualname__.rpartition(".")[0].rpartition(".")[2]
    classes.setdefault(name, []).append(func)
    return func


def _get_overloaded_methods(method: Any, mod_class: Any) -> list[Callable] | None:
    if not hasattr(method, "__name__"):
        return None
    return _overloaded_methods.get(_qualified_name(method), {}).get(mod_class.__name__)


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable,
    if_false: Callable,
    module_name: str,
    func_name: str,
) -> Callable:
    """A function that calls one of two, by one argument that is a bool."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        choice = args[arg_index] if arg_index < len(args) else kwargs.get(arg_name, default)
        return (if_true if choice else if_false)(*args, **kwargs)

    fn.__doc__ = if_true.__doc__ or if_false.__doc__
    fn.__module__ = module_name or fn.__module__
    fn.__name__ = func_name or fn.__name__
    boolean_dispatched[fn] = {
        "if_true": if_true,
        "if_false": if_false,
        "index": arg_index,
        "default": default,
        "arg_name": arg_name,
    }
    return fn


boolean_dispatched: dict[Callable, dict[str, Any]] = {}


def get_callable_argument_names(fn: Callable) -> list[str]:
    """Names of a function's positional-or-keyword arguments; none if it has any of another kind."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return []
    if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        return []
    return [p.name for p in parameters]


def _isinstance(obj: Any, target_type: Any) -> bool:
    """`isinstance` that also takes `list[int]`, `Optional[str]`, `dict[str, int]` and their nests."""
    if isinstance(target_type, tuple):
        return any(_isinstance(obj, one) for one in target_type)
    if is_union(target_type):
        return any(_isinstance(obj, one) for one in get_args(target_type))
    origin, inner = get_origin(target_type), get_args(target_type)
    if origin is None:
        return isinstance(obj, type(None) if target_type is None else target_type)
    if not isinstance(obj, origin):
        return False
    if origin is tuple and inner:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(_isinstance(x, inner[0]) for x in obj)
        return len(obj) == len(inner) and all(map(_isinstance, obj, inner))
    if origin is dict and inner:
        return all(_isinstance(k, inner[0]) and _isinstance(v, inner[1]) for k, v in obj.items())
    return all(_isinstance(x, inner[0]) for x in obj) if inner else True


def _create_named_tuple(t: Any, unqual_name: str, field_names: list[str], defaults: tuple) -> Any:
    return collections.namedtuple(unqual_name, field_names, defaults=defaults)(*t)
