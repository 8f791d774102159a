"""Changes of globals and classes while a function is traced, and `wrap`, which asks for them."""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from torchcompat.fx._compatibility import compatibility
from torchcompat.fx.node import map_aggregate
from torchcompat.fx.proxy import Proxy

# (id of the globals, name): the globals; and (class, name) of methods.
_wrapped_fns_to_patch: dict[tuple[int, str], dict] = {}
_wrapped_methods_to_patch: list[tuple[type, str]] = []
_ABSENT = object()


class _Patch(NamedTuple):
    owner: Any
    name: str
    before: Any
    set: Callable[[Any, str, Any], None]
    drop: Callable[[Any, str], None]


class _Patcher:
    """Replaces values in dicts and on classes, and puts them back on exit."""

    def __init__(self) -> None:
        self.made: list[_Patch] = []
        self.visited: set[int] = set()

    def patch(
        self, frame_dict: dict, name: str, new_fn: Callable, deduplicate: bool = True
    ) -> None:
        """Replaces one value of a dict of globals."""
        new_fn.__fx_already_patched = deduplicate  # type: ignore[attr-defined]
        before = frame_dict.get(name, _ABSENT)
        if getattr(before, "__fx_already_patched", False):
            return
        self.made.append(_Patch(frame_dict, name, before, dict.__setitem__, dict.__delitem__))
        frame_dict[name] = new_fn

    def patch_method(self, cls: Any, name: str, new_fn: Callable, deduplicate: bool = True) -> None:
        """Replaces one method of a class."""
        new_fn.__fx_already_patched = deduplicate  # type: ignore[attr-defined]
        before = vars(cls).get(name, _ABSENT)
        if getattr(getattr(cls, name), "__fx_already_patched", False):
            return
        self.made.append(_Patch(cls, name, before, setattr, delattr))
        setattr(cls, name, new_fn)

    def visit_once(self, thing: Any) -> bool:
        """Whether this is the first time that `thing` is asked about."""
        if id(thing) in self.visited:
            return False
        self.visited.add(id(thing))
        return True

    def __enter__(self) -> _Patcher:
        return self

    def __exit__(self, *error: Any) -> None:
        while self.made:
            one = self.made.pop()
            if one.before is _ABSENT:
                one.drop(one.owner, one.name)
            else:
                one.set(one.owner, one.name, one.before)
        self.visited.clear()


def _find_proxy(*values: Any) -> Proxy | None:
    """Some proxy among nested values, or None."""
    found: list[Proxy] = []

    def look(x: Any) -> Any:
        if isinstance(x, Proxy) and not found:
            found.append(x)
        return x

    map_aggregate(values, look)
    return found[0] if found else None


def _create_wrapped_func(orig_fn: Callable) -> Callable:
    @functools.wraps(orig_fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        proxy = _find_proxy(args, kwargs)
        if proxy is None:
            return orig_fn(*args, **kwargs)
        result = proxy.tracer.create_proxy("call_function", orig_fn, args, kwargs)
        result.node.meta["is_wrapped"] = True
        return result

    return wrapped


def _create_wrapped_method(cls: type, name: str) -> Callable:
    orig_fn = getattr(cls, name)

    @functools.wraps(orig_fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        proxy = _find_proxy(args, kwargs)
        if proxy is None:
            return orig_fn(*args, **kwargs)
        return proxy.tracer.create_proxy("call_method", name, args, kwargs)

    return wrapped


def _patch_wrapped_functions(patcher: _Patcher) -> None:
    """Has everything that `wrap` was asked for recorded as one call."""
    for (_, name), frame_dict in list(_wrapped_fns_to_patch.items()):
        if name not in frame_dict:
            if not hasattr(builtins, name):
                continue
            orig_fn = getattr(builtins, name)
        else:
            orig_fn = frame_dict[name]
        patcher.patch(frame_dict, name, _create_wrapped_func(orig_fn))
    for cls, name in _wrapped_methods_to_patch:
        patcher.patch_method(cls, name, _create_wrapped_method(cls, name))


def _autowrap_check(patcher: _Patcher, frame_dict: dict, function_ids: set[int]) -> None:
    """Has the functions with these ids recorded as one call where these globals name them."""
    if patcher.visit_once(frame_dict):
        for name, value in list(frame_dict.items()):
            if not name.startswith("_") and callable(value) and id(value) in function_ids:
                patcher.patch(frame_dict, name, _create_wrapped_func(value))


@compatibility(is_backward_compatible=True)
def wrap(fn_or_name: str | Callable) -> str | Callable:
    """Has calls of a global function recorded as one call, and not traced through.

    To be called at the top of a module, with a function's name or as its decorator.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    if callable(fn_or_name):
        if isinstance(fn_or_name, str):
            raise AssertionError("fn_or_name should not be a string")
        name = fn_or_name.__name__
    else:
        name = fn_or_name
    frame = inspect.currentframe()
    caller = None if frame is None else frame.f_back
    if caller is None:
        raise RuntimeError("wrap: the caller's frame is not known")
    if caller.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped_fns_to_patch[(id(caller.f_globals), name)] = caller.f_globals
    return fn_or_name
