"""Whole values between torch and torchcompat: tensors, containers and modules of torch's own layers.

A module is taken over attribute by attribute, since a layer here has torch's attributes. Classes and
functions are found by name in the other library.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable
from typing import Any

from converters._tensors import is_torch_tensor, tensor_from_torch, tensor_to_torch
from torchcompat._tensor import Size, Tensor

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_OURS = ("_tc_version", "_tc_static", "_tc_described")


def from_torch(x: Any) -> Any:
    """The torchcompat counterpart of a torch tensor, `state_dict`, nested container or module.

    Args:
        x: what torch made. Every bit of every tensor is kept; tensors that share a storage, tied
            parameters and shared modules stay shared. torch itself is never imported.

    Raises:
        NotImplementedError: something in it has no counterpart here; the text says where and what.

    Example:
        >>> model = from_torch(torch.nn.Linear(2, 3))
    """
    return _Translation("from_torch", tensor_from_torch, is_torch_tensor, "torch", "torchcompat")(x)


def to_torch(x: Any) -> Any:
    """The torch counterpart of a torchcompat tensor, `state_dict`, nested container or module.

    Raises:
        NotImplementedError: something in it has no counterpart in torch; the text says where and what.
        ModuleNotFoundError: torch is not installed.
    """
    return _Translation(
        "to_torch", tensor_to_torch, lambda v: isinstance(v, Tensor), "torchcompat", "torch"
    )(x)


class _Translation:
    """One call of a converter; remembers what it has converted, by identity."""

    def __init__(
        self, title: str, tensor: Callable, is_tensor: Callable, source: str, target: str
    ) -> None:
        self.title, self.tensor, self.is_tensor = title, tensor, is_tensor
        self.source, self.target = source, target
        self.memo: dict[Any, Any] = {}

    def __call__(self, x: Any, path: str = "") -> Any:
        if isinstance(x, _PLAIN):
            return x
        found = self.memo.get(id(x))
        if found is None:
            found = self.memo[id(x)] = self._convert(x, path), x
        return found[0]

    def _convert(self, x: Any, path: str) -> Any:
        if self.is_tensor(x):
            return self.tensor(x, self.memo)
        if isinstance(x, dict):
            return self._mapping(x, path)
        if type(x).__name__ == "Size" and isinstance(x, tuple):
            return Size(x) if self.target == "torchcompat" else self._class(type(x), path)(x)
        if isinstance(x, (tuple, list, set)):
            items = [self(one, f"{path}[{i}]") for i, one in enumerate(x)]
            return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
        if isinstance(x, type):
            return self._class(x, path) if self._is_theirs(x.__module__) else x
        if isinstance(x, (types.FunctionType, types.BuiltinFunctionType)):
            return self._function(x, path)
        if any(
            kind.__name__ == "Module" and self._is_theirs(kind.__module__)
            for kind in type(x).__mro__
        ):
            return self._module(x, path)
        return self._named(x, path)

    def _is_theirs(self, module: str | None) -> bool:
        return (module or "").partition(".")[0] == self.source

    def _named(self, x: Any, path: str) -> Any:
        """dtypes and devices; other objects only if they belong to neither library."""
        kind = type(x)
        if kind.__name__ in ("dtype", "device", "layout", "memory_format"):
            name = str(x).rpartition(".")[2]
            library = importlib.import_module(self.target)
            return library.device(str(x)) if kind.__name__ == "device" else getattr(library, name)
        if self._is_theirs(kind.__module__):
            raise self._unsupported(x, path)
        return x

    def _mapping(self, x: dict, path: str) -> Any:
        kind = dict if type(x).__module__.startswith("torchcompat.") else type(x)
        items = {key: self(one, f"{path}.{key}" if path else str(key)) for key, one in x.items()}
        fresh = kind(items)
        if hasattr(x, "_metadata"):
            fresh._metadata = x._metadata.copy()  # type: ignore[attr-defined]
        return fresh

    def _class(self, kind: type, path: str) -> Any:
        if not self._is_theirs(kind.__module__):
            raise self._unsupported(kind, path)
        where = self.target + kind.__module__[len(self.source) :]
        try:
            return getattr(importlib.import_module(where), kind.__qualname__)
        except (ImportError, AttributeError):
            raise self._unsupported(kind, path) from None

    def _function(self, x: Any, path: str) -> Any:
        """A function such as `F.relu`, kept by a layer as its activation."""
        for where in ("nn.functional", ""):
            own = importlib.import_module(f"{self.source}.{where}".rstrip("."))
            if getattr(own, x.__name__, None) is x:
                other = importlib.import_module(f"{self.target}.{where}".rstrip("."))
                return getattr(other, x.__name__)
        raise self._unsupported(x, path)

    def _module(self, x: Any, path: str) -> Any:
        fresh = object.__new__(self._class(type(x), path))
        self.memo[id(x)] = fresh, x
        base = importlib.import_module(f"{self.target}.nn").Module
        base.__init__(fresh)
        for name in _HOOKS:
            if getattr(x, name, None):
                raise NotImplementedError(
                    f"{self.title}: {path or type(x).__name__} has {name.strip('_').replace('_', ' ')}, "
                    "which cannot be converted; remove them first"
                )
        for name, value in x.__dict__.items():
            if name in _OURS or name.endswith("_hooks") or "hooks_" in name:
                continue
            converted = self(value, f"{path}.{name}" if path else name)
            home = fresh.__dict__.get(name)
            if isinstance(home, dict):
                home.update(converted)
            else:
                fresh.__dict__[name] = converted
        return fresh

    def _unsupported(self, x: Any, path: str) -> NotImplementedError:
        kind = x if isinstance(x, type) else type(x)
        what = getattr(x, "__name__", kind.__name__)
        return NotImplementedError(
            f"{self.title}: {path or 'the argument'} is {kind.__module__}.{what}, "
            f"which has no counterpart in {self.target}"
        )
