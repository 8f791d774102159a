"""`Module`: the base class of all layers and models."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Self, TypeVar

from torchcompat._tensor import _grads
from torchcompat.nn import _bridge
from torchcompat.nn.modules import _global
from torchcompat.nn.modules._attributes import DERIVED, fresh_state, restored_state
from torchcompat.nn.modules._conversions import Conversions
from torchcompat.nn.modules._global import (
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torchcompat.nn.modules._loading import _IncompatibleKeys as _IncompatibleKeys

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"
T = TypeVar("T", bound="Module")
# What `Module.compile` compiles with; `torchcompat.compile` puts itself here.
compiler: Callable | None = None


class Module(Conversions):
    """Base class for all layers and models.

    A subclass calls `super().__init__()`, assigns parameters and submodules to attributes, and
    defines `forward`. Calling the module runs its hooks and `forward`.

    Attributes:
        training: whether the module is in training mode; set by `train()` and `eval()`.

    Example:
        >>> class Model(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = nn.Linear(4, 8)
        ...
        ...     def forward(self, x):
        ...         return self.hidden(x)
    """

    dump_patches: bool = False
    call_super_init: bool = False
    T_destination = TypeVar("T_destination", bound=dict[str, Any])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _bridge.register(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            _refuse_arguments(type(self), args, kwargs)
        self.__dict__.update(fresh_state())
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input: Any) -> None:
        """What a call computes: every subclass overrides it.

        Raises:
            NotImplementedError: it was not overridden.
        """
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # -- modes ---------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Puts this module and all submodules in training mode, or (False) evaluation mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Puts this module and all submodules in evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets `requires_grad` of all parameters; False freezes the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        for module in self.modules():
            module._clock().advance()
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or (False) fills them with zeros."""
        for parameter in self.parameters():
            _grads.forget(parameter, set_to_none)

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Calls `fn` on every submodule, children first, and on this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Has calls of this module run compiled; takes the arguments of `torchcompat.compile`."""
        if compiler is None:
            raise RuntimeError("Module.compile needs torchcompat.compile: import torchcompat")
        self._compiled_call_impl = compiler(self._call_impl, *args, **kwargs)

    # -- text ----------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What `repr` shows of the module besides its children: override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        own = extra.split("\n") if extra else []
        children = [
            f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()
        ]
        if not children and len(own) <= 1:
            return f"{self._get_name()}({extra})"
        lines = "\n  ".join(own + children)
        return f"{self._get_name()}(\n  {lines}\n)"

    # -- copies --------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in DERIVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        restored_state(self.__dict__)

    def _replicate_for_data_parallel(self) -> Self:
        """A shallow copy without parameters, whose members can be replaced."""
        replica = type(self).__new__(type(self))
        replica.__setstate__(dict(self.__getstate__(), _parameters={}))
        for home in ("_buffers", "_modules"):
            setattr(replica, home, dict(getattr(self, home)))
        replica._is_replica = True
        return replica


_bridge.register(Module)


def _take_in_mixins(owner: type) -> None:
    """Names the inherited methods after `owner`: error texts and pickles then say `Module.to`."""
    for base in owner.__mro__[1:-1]:
        for name, method in vars(base).items():
            if inspect.isfunction(method):
                method.__qualname__ = f"{owner.__name__}.{name}"
                method.__module__ = owner.__module__


_take_in_mixins(Module)


def _addindent(s_: str, numSpaces: int) -> str:
    """`s_` with all lines but the first moved right; other libraries' `__repr__` use it."""
    return s_.replace("\n", "\n" + " " * numSpaces)


def _refuse_arguments(kind: type, args: tuple, kwargs: dict) -> None:
    """Raises torch's error for arguments that no class took."""
    if kwargs:
        name = next(iter(kwargs))
        raise TypeError(f"{kind.__name__}.__init__() got an unexpected keyword argument '{name}'")
    if args:
        raise TypeError(
            f"{kind.__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
        )


class _Hooked(ModuleType):
    """This module, with torch's private names of the global hooks: `_global_forward_hooks` ..."""

    def __getattr__(self, name: str) -> Any:
        own = name.removeprefix("_global_")
        if own != name and hasattr(_global, own):
            return getattr(_global, own)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        own = name.removeprefix("_global_")
        if own == name or not hasattr(_global, own):
            super().__setattr__(name, value)
        elif isinstance(value, dict):
            held = getattr(_global, own)
            held.clear()
            held.update(value)
        else:
            setattr(_global, own, value)


sys.modules[__name__].__class__ = _Hooked
