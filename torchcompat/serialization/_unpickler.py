"""The unpickler of `weights_only=True`: it calls functions of a fixed table, and nothing else."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

from torchcompat.nn.parameter import Parameter
from torchcompat.serialization import _allowed
from torchcompat.serialization._machine import Machine


class WeightsUnpickler(Machine):
    """Reads tensors, numbers, strings and containers, and classes that the user allows.

    A name outside of the table is refused before anything of its module is looked up or imported. A
    call is made only if the very object on the stack is in the table; a state is set only on the
    types below.
    """

    def __init__(
        self,
        stream: BinaryIO,
        limit: int,
        load_storage: Callable[[tuple], Any] | None = None,
        encoding: str = "utf-8",
    ) -> None:
        super().__init__(stream, limit, encoding)
        self._load_storage = load_storage
        self._user = _allowed.user_globals()

    def find(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if module.partition(".")[0] in _allowed.BLOCKED_MODULES:
            raise UnpicklingError(
                f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked."
            )
        if full in _allowed.GLOBALS:
            return _allowed.GLOBALS[full]
        if full in self._user:
            return self._user[full]
        full = full.removeprefix("builtins.")
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. "
            f"Please use `torch.serialization.add_safe_globals([{full}])` or the "
            f"`torch.serialization.safe_globals([{full}])` context manager to allowlist this "
            "global if you trust this class/function."
        )

    def call(self, function: Any, args: tuple) -> Any:
        known = _allowed.CALLS.get(id(function))
        if known is not None:
            return known(*args)
        if self._is_users(function):
            return self._foreign(function, *args)
        raise UnpicklingError(
            f"Trying to call reduce for unrecognized function {_describe(function)}"
        )

    def new(self, kind: Any, args: tuple) -> Any:
        if isinstance(kind, type) and self._is_users(kind):
            return self._foreign(kind.__new__, kind, *args)
        if kind is Parameter or ((kind is OrderedDict or kind is Counter) and not args):
            return _allowed.CALLS[id(kind)](*args)
        raise UnpicklingError(
            "Can only create new object for nn.Parameter or classes allowlisted "
            f"via `add_safe_globals` but got {_describe(kind)}"
        )

    def build(self, instance: Any, state: Any) -> None:
        kind = type(instance)
        if kind in (OrderedDict, Counter):
            _set_dict_attributes(instance, state)
        elif self._is_users(kind):
            self._foreign(_set_state, instance, state)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted "
                f"via `add_safe_globals`, but got {kind}"
            )

    def persistent(self, identity: Any) -> Any:
        if type(identity) is not tuple:
            raise UnpicklingError(
                f"persistent_load id must be tuple or int, but got {type(identity)}"
            )
        tag = identity[0] if identity else None
        if type(tag) not in (str, bytes) or tag not in ("storage", b"storage"):
            raise UnpicklingError("Only persistent_load of storage is allowed")
        if self._load_storage is None:
            raise UnpicklingError("unsupported persistent id encountered")
        return self._foreign(self._load_storage, identity)

    def _is_users(self, value: Any) -> bool:
        return any(value is one for one in self._user.values())

    def _foreign(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls what the user allowed or passed in; its errors reach the user as they are."""
        self._in_foreign_code = True
        result = function(*args)
        self._in_foreign_code = False
        return result


def _describe(value: Any) -> str:
    """A value for an error text, without printing what the file made of it."""
    return repr(value) if isinstance(value, type) else f"an instance of {type(value)}"


def _set_dict_attributes(instance: Any, state: Any) -> None:
    """Attributes of an OrderedDict, such as the `_metadata` of a state_dict."""
    if type(state) is not dict:
        raise UnpicklingError(f"an OrderedDict's state must be a dict, but got {type(state)}")
    for name in state:
        if type(name) is not str or hasattr(type(instance), name):
            raise UnpicklingError(f"an OrderedDict's state may not replace its attribute {name!r}")
    instance.__dict__.update(state)


def _set_state(instance: Any, state: Any) -> None:
    """What pickle does with the state of an object whose class the user allowed."""
    if hasattr(instance, "__setstate__"):
        instance.__setstate__(state)
        return
    plain, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if plain:
        instance.__dict__.update(plain)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)
