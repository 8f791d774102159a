"""What `torch.ops.namespace.name` is: an op that can be called, and its overloads."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from torchcompat import _overrides

# Implementations by `namespace::name`.
DEFINED: dict[str, Callable] = {}


class OpOverloadPacket:
    """All overloads of an op. Ours are one function that looks at its arguments."""

    def __init__(self, qualified_op_name: str, op: Callable) -> None:
        self._qualified_op_name = qualified_op_name
        self.__name__ = qualified_op_name.rpartition("::")[2]
        self.__module__ = f"torch.ops.{qualified_op_name.partition('::')[0]}"
        self._op = op
        self._overloads: dict[str, OpOverload] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _called(self, self._op, args, kwargs)

    def __getattr__(self, name: str) -> OpOverload:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._overloads.get(name)
        if found is None:
            found = self._overloads[name] = OpOverload(self, name)
        return found

    def overloads(self) -> list[str]:
        """Names of the overloads that were asked for."""
        return list(self._overloads) or ["default"]

    def __deepcopy__(self, memo: dict | None = None) -> OpOverloadPacket:
        return self

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self._qualified_op_name.replace('::', '.')}')>"

    def __str__(self) -> str:
        return self._qualified_op_name.replace("::", ".")


class OpOverload:
    """One overload of an op, `torch.ops.aten.add.Tensor`."""

    def __init__(self, packet: OpOverloadPacket, name: str) -> None:
        self._overloadpacket, self._overloadname = packet, name
        self.__name__ = f"{packet.__name__}.{name}"
        self.__module__ = packet.__module__
        self.namespace = packet._qualified_op_name.partition("::")[0]

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        """The op that this is an overload of."""
        return self._overloadpacket

    def name(self) -> str:
        """`namespace::name.overload`."""
        qualified = self._overloadpacket._qualified_op_name
        return qualified if self._overloadname == "default" else f"{qualified}.{self._overloadname}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _called(self, self._overloadpacket._op, args, kwargs)

    def __deepcopy__(self, memo: dict | None = None) -> OpOverload:
        return self

    def __repr__(self) -> str:
        qualified = self._overloadpacket._qualified_op_name.replace("::", ".")
        return f"<OpOverload(op='{qualified}', overload='{self._overloadname}')>"

    def __str__(self) -> str:
        return f"{self._overloadpacket}.{self._overloadname}"


def _called(op: Any, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    overloaded = _overrides.overriding(args, kwargs)
    if overloaded:
        return _overrides.ask(op, str(op), overloaded, args, kwargs)
    return function(*args, **kwargs)


class OpNamespace(types.ModuleType):
    """`torch.ops.name`: finds ops by their names."""

    def __init__(self, name: str, find: Callable[[str], Callable | None] | None = None) -> None:
        super().__init__(f"torch.ops.{name}")
        self.name, self._find = name, find
        self._dir: list[str] = []

    def __getattr__(self, op_name: str) -> OpOverloadPacket:
        if op_name.startswith("__"):
            raise AttributeError(op_name)
        qualified = f"{self.name}::{op_name}"
        function = DEFINED.get(qualified)
        if function is None and self._find is not None:
            function = self._find(op_name)
        if function is None:
            raise AttributeError(
                f"'_OpNamespace' '{self.name}' object has no attribute '{op_name}'"
            )
        packet = OpOverloadPacket(qualified, function)
        setattr(self, op_name, packet)
        self._dir.append(op_name)
        return packet

    def __iter__(self) -> Any:
        return iter(self._dir)
