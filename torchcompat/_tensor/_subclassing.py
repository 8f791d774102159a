"""Tensors as instances of a user's subclass: `as_subclass`, `_make_subclass`.

Ops give plain Tensors of them, as those subclasses of torch's do that unwrap what they are given.
"""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._tensor import Tensor, alias


def as_subclass(self: Tensor, cls: type) -> Any:
    """This tensor, its storage and its place in the graph included, as an instance of `cls`.

    Raises:
        TypeError: `cls` is no class of tensors.
    """
    return _become(cls, "as_subclass", ops.alias(self))


def _become(cls: Any, name: str, made: Tensor) -> Any:
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"{name}(): argument 'cls' (position 1) must be a type derived from Tensor")
    if cls is not Tensor:
        made.__class__ = cls
    return made


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False, **options: Any) -> Any:
    """`data` without its history, as an instance of `cls`."""
    made = alias(data)
    made.requires_grad_(require_grad)
    return _become(cls, "_make_subclass", made)


Tensor.as_subclass = as_subclass
Tensor._make_subclass = staticmethod(_make_subclass)
