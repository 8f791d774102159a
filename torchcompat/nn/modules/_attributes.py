"""How a module stores parameters, buffers and submodules: registration and attribute access."""

from __future__ import annotations

import inspect
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._convert import type_name
from torchcompat.nn.modules import _global
from torchcompat.nn.modules._tracked import Clock, TrackedDict, TrackedOrderedDict
from torchcompat.nn.parameter import Buffer, Parameter

# Name of each bookkeeping dictionary, in the order in which they stand in `__dict__`.
_DICTIONARIES = {
    "_parameters": TrackedDict,
    "_buffers": TrackedDict,
    "_backward_pre_hooks": TrackedOrderedDict,
    "_backward_hooks": TrackedOrderedDict,
    "_forward_hooks": TrackedOrderedDict,
    "_forward_hooks_with_kwargs": TrackedOrderedDict,
    "_forward_hooks_always_called": TrackedOrderedDict,
    "_forward_pre_hooks": TrackedOrderedDict,
    "_forward_pre_hooks_with_kwargs": TrackedOrderedDict,
    "_state_dict_hooks": TrackedOrderedDict,
    "_state_dict_pre_hooks": TrackedOrderedDict,
    "_load_state_dict_pre_hooks": TrackedOrderedDict,
    "_load_state_dict_post_hooks": TrackedOrderedDict,
    "_modules": TrackedDict,
}
_MEMBERS = ("_parameters", "_buffers", "_modules")
# What others keep on a module that can be made again, and no copy takes along.
DERIVED = ("_tc_static", "_tc_described", "_compiled_call_impl")
_ABSENT = object()


def fresh_state() -> dict[str, Any]:
    """The `__dict__` of a module that has nothing in it yet."""
    clock = Clock()
    state: dict[str, Any] = {"training": True, "_tc_version": clock}
    for name, kind in _DICTIONARIES.items():
        if name == "_backward_pre_hooks":
            state["_non_persistent_buffers_set"] = set()
        state[name] = kind(clock=clock)
        if name == "_backward_hooks":
            state["_is_full_backward_hook"] = None
    return state


def restored_state(state: dict[str, Any]) -> None:
    """Completes the `__dict__` of an unpickled module, whoever pickled it, torch included."""
    for name in DERIVED:
        state.pop(name, None)
    clock = state.setdefault("_tc_version", Clock())
    for name, value in fresh_state().items():
        held = state.setdefault(name, value)
        kind = _DICTIONARIES.get(name)
        if kind is not None and getattr(held, "clock", None) is not clock:
            state[name] = kind(held, clock)


def typename(x: Any) -> str:
    """The name torch's texts give the type of `x`: `int`, `torch.FloatTensor`, `numpy.ndarray`."""
    if isinstance(x, Tensor):
        return type_name(x)
    kind = x if isinstance(x, type) else type(x)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


class Attributes:
    """Registration and attribute access; the part of `Module` that owns its dictionaries."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]

    @property
    def _structure_version(self) -> int:
        """Advances with every change of an attribute, member, hook or mode of this module."""
        return self._clock().value

    def _clock(self) -> Clock:
        clock = self.__dict__.get("_tc_version")
        if clock is None:
            clock = self.__dict__["_tc_version"] = Clock()
        return clock

    # -- registration --------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a buffer: a tensor that is state but not a parameter.

        Args:
            name: attribute name it is reached by.
            tensor: the buffer; None reserves the name and stays out of the `state_dict`.
            persistent: whether it is part of the `state_dict`.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        tensor = _global.registered(_global.buffer_registration_hooks, self, name, tensor)
        self._buffers[name] = tensor
        self._mark_persistent(name, persistent)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter; None reserves the name and stays out of the `state_dict`."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name("parameter", name, self._parameters)
        if param is not None:
            _check_parameter(name, param)
            hooks = _global.parameter_registration_hooks
            param = _global.registered(hooks, self, name, param)
        self._parameters[name] = param

    def add_module(self, name: str, module: Any) -> None:
        """Adds a submodule (or None) that can be reached as the attribute `name`."""
        if not isinstance(module, Attributes) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name("module", name, self._modules, f", got: {name}")
        module = _global.registered(_global.module_registration_hooks, self, name, module)
        self._modules[name] = module

    def register_module(self, name: str, module: Any) -> None:
        """Another name of `add_module`."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: Any, home: dict, got: str = "") -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if hasattr(self, name) and name not in home:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')

    def _mark_persistent(self, name: str, persistent: bool) -> None:
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    # -- attribute access ----------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        for home in _MEMBERS:
            members = state.get(home)
            if members is not None and name in members:
                return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Parameter):
            self._set_parameter(name, value)
        elif name in state.get("_parameters", ()):
            self._replace_parameter(name, value)
        elif isinstance(value, Attributes):
            self._set_module(name, value)
        elif name in state.get("_modules", ()):
            self._replace_module(name, value)
        elif name in state.get("_buffers", ()) or isinstance(value, Buffer):
            self._set_buffer(name, value)
        elif state.get(name, _ABSENT) is not value:
            self._set_plain(name, value)

    def _set_plain(self, name: str, value: Any) -> None:
        clock = self._clock()
        kind = _DICTIONARIES.get(name)
        if kind is not None and not isinstance(value, kind):
            value = kind(value, clock)
        object.__setattr__(self, name, value)
        clock.advance()

    def _set_parameter(self, name: str, value: Parameter) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameters before Module.__init__() call")
        self.__dict__.pop(name, None)
        self._forget(name, "_buffers", "_modules")
        self.register_parameter(name, value)

    def _replace_parameter(self, name: str, value: Any) -> None:
        if value is not None:
            raise TypeError(
                f"cannot assign '{typename(value)}' as parameter '{name}' "
                "(torch.nn.Parameter or None expected)"
            )
        self.register_parameter(name, value)

    def _set_module(self, name: str, value: Any) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError("cannot assign module before Module.__init__() call")
        self.__dict__.pop(name, None)
        self._forget(name, "_parameters", "_buffers")
        self._modules[name] = _global.registered(
            _global.module_registration_hooks, self, name, value
        )

    def _replace_module(self, name: str, value: Any) -> None:
        if value is not None:
            raise TypeError(
                f"cannot assign '{typename(value)}' as child module '{name}' "
                "(torch.nn.Module or None expected)"
            )
        self._set_module(name, value)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            if "_buffers" not in self.__dict__:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            self._forget(name, "_modules")
            self._register_marked(name, value)
            return
        hooks = _global.buffer_registration_hooks
        self._buffers[name] = _global.registered(hooks, self, name, value)

    def _register_marked(self, name: str, buffer: Any) -> None:
        """Registers a `Buffer`, by a subclass's own `register_buffer` if that is how it takes it."""
        if type(self).register_buffer is Attributes.register_buffer:
            self.register_buffer(name, buffer, buffer.persistent)
        elif "persistent" in inspect.signature(self.register_buffer).parameters:
            self.register_buffer(name, buffer, persistent=buffer.persistent)
        elif buffer.persistent:
            self.register_buffer(name, buffer)
        else:
            raise RuntimeError(
                "Registering a non-persistent buffer on a Module subclass that implements "
                "register_buffer() without the persistent argument is not allowed."
            )

    def _forget(self, name: str, *homes: str) -> None:
        """Frees `name` for a member of another kind."""
        for home in homes:
            if name in self.__dict__[home]:
                del self.__dict__[home][name]
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        for home in _MEMBERS:
            if name in self.__dict__.get(home, ()):
                del self.__dict__[home][name]
                if home == "_buffers":
                    self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)
        self._clock().advance()

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules}
        names.update(self._buffers)
        return sorted(name for name in names if not name[0].isdigit())


def _check_parameter(name: str, param: Any) -> None:
    if not isinstance(param, Parameter):
        raise TypeError(
            f"cannot assign '{typename(param)}' object to parameter '{name}' "
            "(torch.nn.Parameter or None required)"
        )
    if param.grad_fn is not None:
        raise ValueError(
            f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
            f"created explicitly. To express '{name}' as a function of another Tensor, compute the "
            "value in the forward() method."
        )
