"""Tensors as instances of a user's subclass, and what torch functions give of them.

A subclass answers torch functions by its `__torch_function__`; Tensor's own runs the function and
hands on its results as instances of the subclass. `_overrides.py` does the asking.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, alias, on_subclass


def disabled(
    func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
) -> Any:
    """What a class sets as its `__torch_function__` to be treated as a plain Tensor."""
    return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def nothing_asked(modes: bool = False) -> Iterator[None]:
    """Inside, no argument is asked for its `__torch_function__`.

    Args:
        modes: the running modes see nothing either.
    """
    kept = state.overriding, state.override_modes
    state.overriding = False
    if modes:
        state.override_modes = ()
    try:
        yield
    finally:
        state.overriding, state.override_modes = kept


def unconverted() -> set:
    """The functions whose results stay as they are: those that show the graph."""
    return {Tensor._base.__get__, Tensor.grad.__get__, Tensor._grad.__get__}


def _torch_function(
    cls: type, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
) -> Any:
    """Runs the function; its tensors become instances of this class."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with nothing_asked():
        result = func(*args, **(kwargs or {}))
    return result if func in unconverted() else converted(result, cls)


def converted(result: Any, cls: type) -> Any:
    """The tensors in a result as instances of `cls`."""
    if cls is Tensor:
        return result
    if isinstance(result, Tensor) and not isinstance(result, cls):
        with nothing_asked():
            return as_subclass(result, cls)
    if isinstance(result, (tuple, list)):
        parts = [converted(one, cls) for one in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def as_subclass(self: Tensor, cls: type) -> Any:
    """This tensor, its storage and its place in the graph included, as an instance of `cls`.

    Raises:
        TypeError: `cls` is no class of tensors.
    """
    return _become(cls, ops.alias(self))


def _become(cls: Any, made: Tensor) -> Any:
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(
            "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. "
            "Make sure your class inherits from Tensor."
        )
    if cls is not Tensor:
        made.__class__ = cls
        for tell in on_subclass:
            tell(made)
    return made


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False, **options: Any) -> Any:
    """`data` without its history, as an instance of `cls`."""
    with nothing_asked():
        made = alias(data)
        made.requires_grad_(require_grad)
    return _become(cls, made)


def _make_wrapper_subclass(cls: type, size: Any, *args: Any, **options: Any) -> Any:
    raise NotImplementedError(
        f"{cls.__name__}: torch.Tensor._make_wrapper_subclass makes tensors that answer by "
        "__torch_dispatch__, which is not built"
    )


Tensor.__torch_function__ = classmethod(_torch_function)
Tensor.as_subclass = as_subclass
Tensor._make_subclass = staticmethod(_make_subclass)
Tensor._make_wrapper_subclass = staticmethod(_make_wrapper_subclass)
