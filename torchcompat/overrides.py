"""`torch.overrides`: objects that answer torch functions themselves by `__torch_function__`.

The functions of this package look for such objects only while something holds `_overrides`; the
helpers here serve source that looks for them itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchcompat._absent import fill
from torchcompat._tensor import Tensor

__all__ = [
    "BaseTorchFunctionMode",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "TorchFunctionMode",
    "get_default_nowrap_functions",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]


def _disabled_torch_function_impl(
    func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
) -> Any:
    """What a class sets as its `__torch_function__` to be treated as a plain Tensor."""
    return func(*args, **(kwargs or {}))


_disabled = [0]


@contextlib.contextmanager
def _disable() -> Iterator[None]:
    _disabled[0] += 1
    try:
        yield
    finally:
        _disabled[0] -= 1


class DisableTorchFunction:
    """A context in which no `__torch_function__` is asked."""

    def __enter__(self) -> None:
        self._context = _disable()
        self._context.__enter__()

    def __exit__(self, *exc: Any) -> None:
        self._context.__exit__(*exc)


class DisableTorchFunctionSubclass(DisableTorchFunction):
    """A context in which subclasses of Tensor are treated as Tensors."""


def _overrides(x: Any) -> bool:
    own = getattr(type(x), "__torch_function__", None)
    if own is None or own is _disabled_torch_function_impl:
        return False
    return getattr(own, "__func__", own) is not getattr(_DEFAULT, "__func__", _DEFAULT)


_DEFAULT = getattr(Tensor, "__torch_function__", None)


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether an argument's type has a `__torch_function__` other than Tensor's."""
    return not _disabled[0] and any(map(_overrides, relevant_args))


def has_torch_function_unary(x: Any) -> bool:
    """`has_torch_function` of one argument."""
    return not _disabled[0] and _overrides(x)


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of all arguments."""
    return has_torch_function(args)


def _ordered(relevant_args: Iterable[Any]) -> list:
    """One argument of each overriding type: subclasses before their bases, else left to right."""
    found: list = []
    for x in relevant_args:
        if not _overrides(x) or type(x) in map(type, found):
            continue
        later = (i for i, other in enumerate(found) if issubclass(type(x), type(other)))
        found.insert(next(later, len(found)), x)
    return found


def handle_torch_function(
    public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Asks the `__torch_function__` of each overriding argument until one answers.

    Args:
        public_api: the function that was called.
        relevant_args: the arguments that may override.

    Raises:
        TypeError: none of them answers.
    """
    overloaded = _ordered(relevant_args)
    types = tuple(map(type, overloaded))
    for one in overloaded:
        result = type(one).__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(
        f"no implementation found for '{name}' on types that implement "
        f"__torch_function__: {list(types)}"
    )


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
    if name == "__get__":
        return True
    return getattr(Tensor, str(name), None) is func


def resolve_name(f: Callable) -> str | None:
    """torch's qualified name of a function."""
    if is_tensor_method_or_property(f):
        return f"torch.Tensor.{f.__name__}"
    module = getattr(f, "__module__", None) or ""
    name = getattr(f, "__name__", None)
    if name is None:
        return None
    place = "torch.nn.functional" if module.startswith("torchcompat.nn") else "torch"
    return f"{place}.{name}"


def get_default_nowrap_functions() -> set:
    """What a subclass' results are not wrapped for: properties of the graph."""
    return {Tensor._base, Tensor.grad, Tensor._grad}


class TorchFunctionMode:
    """A context whose `__torch_function__` sees every function called in it."""

    def __init__(self) -> None:
        return None

    def __enter__(self) -> TorchFunctionMode:
        raise NotImplementedError(f"{type(self).__name__}: TorchFunctionMode")

    def __exit__(self, *exc: object) -> None:
        return None


BaseTorchFunctionMode = TorchFunctionMode

fill(
    globals(),
    "functions are made from a table of operators; there is no list of overrides",
    functions="""get_ignored_functions get_overridable_functions get_testing_overrides
    enable_reentrant_dispatch redispatch_function""",
)
