"""`torch.overrides`: objects that answer torch functions themselves by `__torch_function__`.

`_overrides.py` has the functions of this package look for such objects; the helpers here serve source
that looks for them itself.
"""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchcompat import _overrides
from torchcompat._absent import fill
from torchcompat._tensor import Tensor, _subclassing
from torchcompat._tensor._state import state
from torchcompat._tensor._subclassing import disabled as _disabled_torch_function_impl

__all__ = [
    "BaseTorchFunctionMode",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "TorchFunctionMode",
    "_disabled_torch_function_impl",
    "enable_reentrant_dispatch",
    "get_default_nowrap_functions",
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]


class DisableTorchFunctionSubclass:
    """A context in which no argument is asked for its `__torch_function__`."""

    _modes = False

    def __enter__(self) -> None:
        self._context = _subclassing.nothing_asked(self._modes)
        self._context.__enter__()

    def __exit__(self, *exc: Any) -> None:
        self._context.__exit__(*exc)


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """A context in which neither arguments nor modes are asked."""

    _modes = True


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether torch functions ask one of the arguments, or a mode, rather than run."""
    return bool(state.override_modes or _overrides.overriding(relevant_args, {}))


def has_torch_function_unary(x: Any) -> bool:
    """`has_torch_function` of one argument."""
    return has_torch_function((x,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of all arguments."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Asks the running mode, then the `__torch_function__` of each overriding argument.

    Args:
        public_api: the function that was called.
        relevant_args: the arguments that may override.

    Raises:
        TypeError: none of them answers.
    """
    overloaded = _overrides.overriding(relevant_args, {})
    title = f"{public_api.__module__}.{public_api.__name__}".replace("torchcompat", "torch", 1)
    return _overrides.ask(public_api, title, overloaded, args, kwargs)


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """A decorator that has a function look for overriding arguments.

    Args:
        dispatcher: gives, for the function's arguments, those that may override.
    """

    def inner(func: Callable) -> Callable:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        wrapped.__name__, wrapped.__module__ = func.__name__, func.__module__
        wrapped.__doc__ = func.__doc__
        return wrapped

    return inner


def is_tensor_like(inp: Any) -> bool:
    """Whether `inp` is a Tensor or has a `__torch_function__`."""
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether `func` is a method of Tensor or the getter of one of its properties."""
    name = getattr(func, "__name__", None)
    return name == "__get__" or getattr(Tensor, str(name), None) is func


@functools.lru_cache(None)
def _titles() -> dict[Callable, str]:
    """Every overridable function, with torch's name for it."""
    found: dict[Callable, str] = {}
    for one in _overrides.functions():
        found.setdefault(one.shown, one.title)
    return found


def resolve_name(f: Callable) -> str | None:
    """torch's qualified name of a function that can be overridden."""
    if hasattr(f, "_qualified_op_name") or hasattr(f, "_overloadpacket"):  # torch.ops' own
        return str(f)
    title = _titles().get(f)
    if title is None:
        return None
    title = title.replace("torch._C._nn.", "torch.nn.functional.")
    return re.sub(r"torch\._C\._(\w+)\.\1_", r"torch.\1.", title)


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """The functions that ask their arguments, by the module or class where they are."""
    found: dict[Any, list[Callable]] = {}
    for one in _asking():
        found.setdefault(one.place, []).append(one.shown)
    return found


def _asking() -> Iterator[_overrides.Overridable]:
    """The functions that ask their arguments; of a property torch lists the getter alone."""
    for one in _overrides.functions():
        if one.looks and getattr(one.shown, "__name__", None) not in ("__set__", "__delete__"):
            yield one


def get_testing_overrides() -> dict[Callable, Callable]:
    """For each overridable function one with the same signature that returns -1."""
    return {one.shown: _answering(one) for one in _asking()}


def _answering(one: _overrides.Overridable) -> Callable:
    def override(*args: Any, **kwargs: Any) -> int:
        return -1

    override.__signature__ = one.signature  # type: ignore[attr-defined]
    override.__name__ = getattr(one.shown, "__name__", one.function.__name__)
    return override


def get_ignored_functions() -> set[Callable]:
    """Functions of `torch` that ask nobody: they take no tensors."""
    return _overrides.ignored()


def get_default_nowrap_functions() -> set[Callable]:
    """The functions whose results a subclass of Tensor does not take for its own."""
    return _subclassing.unconverted()


class TorchFunctionMode:
    """A context whose `__torch_function__` sees every torch function that is called in it.

    Inside of that method the mode is not running.
    """

    def __init__(self) -> None:
        pass

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        raise NotImplementedError

    def __enter__(self) -> TorchFunctionMode:
        _overrides.hold()
        state.override_modes = (*state.override_modes, self)
        return self

    def __exit__(self, *exc: object) -> None:
        state.override_modes = state.override_modes[:-1]
        _overrides.release()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> TorchFunctionMode:
        """Deprecated: the mode itself is the context."""
        warnings.warn(
            "`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`"
        )
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> TorchFunctionMode | None:
    """The innermost mode, or None."""
    return state.override_modes[-1] if state.override_modes else None


def _get_current_function_mode_stack() -> list[TorchFunctionMode]:
    """The running modes, innermost last."""
    return list(state.override_modes)


def _len_torch_function_stack() -> int:
    """How many modes are running."""
    return len(state.override_modes)


def _get_overloaded_args(relevant_args: Iterable[Any], *args: Any) -> list:
    """An argument of each type that overrides, subclasses before their bases."""
    return _overrides.overriding(relevant_args, {})


@contextlib.contextmanager
def enable_reentrant_dispatch() -> Iterator[None]:
    """Inside, `__torch_function__` may call torch functions on the same objects: it always may."""
    yield


fill(
    globals(),
    "there is no dispatcher by keys",
    functions="redispatch_function",
)
