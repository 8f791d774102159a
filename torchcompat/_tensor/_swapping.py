"""`swap_tensors`: two tensor objects exchange what they are."""

from __future__ import annotations

import itertools
from typing import Any

from torchcompat._tensor._tensor import Tensor

_SLOTS = [name for name in Tensor.__slots__ if name != "__weakref__"]


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Exchanges the contents, classes and attributes of two tensors; each keeps its identity.

    Raises:
        RuntimeError: their classes have different slots.
    """
    if _own_slots(t1) != _own_slots(t2):
        raise RuntimeError(f"Cannot swap t1 and t2 if they have different slots: {_own_slots(t1)}")
    first, second = _parts(t1), _parts(t2)
    kinds = type(t1), type(t2)
    for tensor, parts, kind in ((t1, second, kinds[1]), (t2, first, kinds[0])):
        tensor.__class__ = kind
        for name in (*_SLOTS, *_own_slots(tensor)):
            if name in parts:
                setattr(tensor, name, parts[name])
            elif hasattr(tensor, name):
                delattr(tensor, name)


def _own_slots(tensor: Tensor) -> set[str]:
    """The slots of subclasses, which torch's classes have none of."""
    kinds = itertools.takewhile(lambda kind: kind is not Tensor, type(tensor).__mro__)
    return {name for kind in kinds for name in kind.__dict__.get("__slots__", ())}


def _parts(tensor: Tensor) -> dict[str, Any]:
    return {
        name: getattr(tensor, name)
        for name in (*_SLOTS, *_own_slots(tensor))
        if hasattr(tensor, name)
    }


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `load_state_dict` swaps a parameter or buffer with, where it swaps.

    Args:
        other: the value in the state_dict.
        assign: whether `other` itself, detached, is taken instead of a copy of its values.
    """
    return other.detach() if assign else self.copy_(other).detach()


Tensor.module_load = module_load
