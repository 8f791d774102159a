"""A module's attributes by their paths: `layer1.0.weight`."""

from __future__ import annotations

from typing import Any

from torchcompat import nn
from torchcompat._tensor import Tensor


def _walk(module: nn.Module, path: str) -> tuple[list[str], str]:
    *prefix, last = path.split(".")
    return prefix, last


def _copy_attr(from_module: nn.Module, to_module: nn.Module, target: str) -> None:
    """Puts an attribute of one module, named by its path, in the same place of another."""
    prefix, last = _walk(from_module, target)
    for part in prefix:
        source = getattr(from_module, part)
        there = getattr(to_module, part, None)
        if source is there:
            return
        if there is None:
            there = nn.Module()
            setattr(to_module, part, there)
        from_module, to_module = source, there
    value = getattr(from_module, last)
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        to_module.register_buffer(last, value)
    else:
        setattr(to_module, last, value)


def _assign_attr(from_obj: Any, to_module: nn.Module, target: str) -> None:
    """Puts an object in the place of a module that a path names, making modules on the way."""
    prefix, last = _walk(to_module, target)
    for part in prefix:
        there = getattr(to_module, part, None)
        if there is None:
            there = nn.Module()
            setattr(to_module, part, there)
        to_module = there
    if isinstance(from_obj, Tensor) and not isinstance(from_obj, nn.Parameter):
        to_module.register_buffer(last, from_obj)
    else:
        setattr(to_module, last, from_obj)


def _get_attr(model: nn.Module, attr_name: str) -> Any:
    """The attribute that a path names."""
    return _get_attr_via_attr_list(model, attr_name.split("."))


def _get_attr_via_attr_list(model: nn.Module, attr_list: list[str]) -> Any:
    found: Any = model
    for part in attr_list:
        found = getattr(found, part)
    return found


def _has_attr(model: nn.Module, attr_name: str) -> bool:
    found: Any = model
    for part in attr_name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def _del_attr(model: nn.Module, attr_name: str) -> None:
    prefix, last = _walk(model, attr_name)
    delattr(_get_attr_via_attr_list(model, prefix), last)
