"""Nested values taken apart into arrays and a hashable description, and put together again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat._memory_format import is_dense
from torchcompat._tensor import Tensor
from torchcompat._tensor._dispatch import map_nested
from torchcompat._tensor._nodes import spent
from torchcompat.nn.parameter import Parameter

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_ARRAYS = (Tensor, jax.Array, np.ndarray)


class Same:
    """A value compared by identity: objects that have no cheap or no meaningful equality."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def static(x: Any) -> Any:
    """A hashable stand-in for a value that holds no array: by value if plain, else by identity."""
    if isinstance(x, _PLAIN):
        return type(x), x
    if isinstance(x, (tuple, list)):
        return (type(x), *map(static, x))
    if isinstance(x, (dict, set, frozenset)):
        items = x.items() if isinstance(x, dict) else x
        return (type(x), *map(static, items))
    return Same(x)


def flatten(x: Any, leaves: list) -> Any:
    """A hashable description of `x`; its Tensors and arrays are appended to `leaves`.

    Parameters are long-lived state, not data: they are described by identity.
    """
    if isinstance(x, Tensor):
        if isinstance(x, Parameter):
            return Same(x)
        leaves.append(x)
        value = x._cell.value if x._layout is None else x._read()
        return Tensor, value.shape, value.dtype, x._requires_grad
    if isinstance(x, (jax.Array, np.ndarray)):
        leaves.append(x)
        return jax.Array, x.shape, x.dtype
    if isinstance(x, (tuple, list)):
        if hasattr(x, "_with_parts"):  # a PackedSequence: not all of it is data
            return (type(x), x._static, *[flatten(one, leaves) for one in x._parts])
        return (type(x), *[flatten(one, leaves) for one in x])
    if isinstance(x, dict):
        return (type(x), tuple(x), *[flatten(one, leaves) for one in x.values()])
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        fields = [f.name for f in dataclasses.fields(x)]
        return (type(x), *[flatten(getattr(x, name), leaves) for name in fields])
    return static(x)


def is_data(x: Any) -> bool:
    """Whether `x` is an array or a Tensor that is no parameter."""
    return isinstance(x, _ARRAYS) and not isinstance(x, Parameter)


class Hole:
    """Stands in a template for one array: which, whether a Tensor boxes it, and what autograd knows.

    Attributes:
        freed: a backward pass inside of the trace has used its graph up.
        strides: those of a result that does not lie in order, else None.
    """

    __slots__ = ("index", "boxed", "requires_grad", "freed", "strides")

    def __init__(
        self,
        index: int,
        boxed: bool,
        requires_grad: bool,
        freed: bool,
        strides: tuple[int, ...] | None,
    ) -> None:
        self.index = index
        self.boxed = boxed
        self.requires_grad = requires_grad
        self.freed = freed
        self.strides = strides

    def goes_on(self) -> bool:
        """Whether the Tensor goes on in a graph."""
        return self.requires_grad and not self.freed


def _strides(tensor: Tensor) -> tuple[int, ...] | None:
    """The strides of a tensor whose elements fill their memory in another order; else None."""
    layout = tensor._layout
    return layout[1] if layout is not None and is_dense(layout) else None


class Template:
    """A nested value with its arrays taken out, to be filled in again at each call.

    Args:
        arrays: the arrays are appended here.
        keep: leaves for which this is true stay in the template as they are.
    """

    def __init__(self, value: Any, arrays: list, keep: Callable[[Any], bool]) -> None:
        def take(leaf: Any) -> Any:
            if not is_data(leaf) or keep(leaf):
                return leaf
            boxed = isinstance(leaf, Tensor)
            arrays.append(leaf._read() if boxed else leaf)
            needs = boxed and leaf._requires_grad
            freed = needs and spent(leaf)
            return Hole(len(arrays) - 1, boxed, needs, freed, _strides(leaf) if boxed else None)

        self.like = map_nested(take, value)
        self.single = isinstance(self.like, Hole)

    def holes(self) -> list[Hole]:
        """The holes of all arrays."""
        found: list[Hole] = []
        map_nested(lambda x: found.append(x) if isinstance(x, Hole) else None, self.like)
        return found

    def fill(self, arrays: Any, box: Callable[[Any, Hole], Any]) -> Any:
        """The value with `box(array, hole)` in each hole."""
        if self.single:
            return box(arrays[self.like.index], self.like)
        return map_nested(
            lambda x: box(arrays[x.index], x) if isinstance(x, Hole) else x, self.like
        )
