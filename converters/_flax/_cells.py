"""Storages of torchcompat tensors that lie in Flax variables, read and written through a layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import numpy as np

from converters._flax._layouts import Layout
from torchcompat._tensor import Cell
from torchcompat._tensor._cell import traced_here
from torchcompat._tensor._state import serial


class Box(Protocol):
    """What holds one Flax array."""

    def get(self) -> Any: ...
    def set(self, array: Any) -> None: ...


class FlaxCell(Cell):
    """A storage whose array is made of Flax arrays; a write goes to those.

    Args:
        boxes: what holds the arrays; several are joined along torch's first axis.
        layout: from each of them to its part.
    """

    __slots__ = ("boxes", "layout", "_parts", "_joined")

    def __init__(self, boxes: Sequence[Box], layout: Layout) -> None:
        self.boxes, self.layout = tuple(boxes), layout
        self._parts: tuple = ()
        self._joined: Any = None
        self.version = self.unseen = 0
        self.inference = False
        self.serial = serial()

    @property  # type: ignore[override]
    def value(self) -> Any:
        parts = tuple(box.get() for box in self.boxes)
        if len(parts) == len(self._parts) and all(a is b for a, b in zip(parts, self._parts)):
            return self._joined
        joined = moved(self._join, *parts)
        if not any(traced_here(joined, part) for part in parts):
            self._parts, self._joined = parts, joined
        return joined

    @value.setter
    def value(self, value: Any) -> None:
        if value is self._joined and self._parts:
            parts = self._parts
        else:
            parts = self.split(value)
        for box, part in zip(self.boxes, parts):
            box.set(part)
        self._parts, self._joined = parts, value

    @property
    def zeros(self) -> int:
        """How many of the elements along the first axis can only be zero; they come first."""
        return sum(box.get().shape[0] for box in self.boxes if isinstance(box, ZeroBox))

    @property
    def held(self) -> list:
        """The boxes that lie in the Flax model."""
        return [box for box in self.boxes if not isinstance(box, ZeroBox)]

    def split(self, value: Any) -> tuple:
        """The Flax arrays that `value`, laid out as torch does, stands for."""
        if value is self._joined and self._parts:
            return self._parts
        shapes = [tuple(box.get().shape) for box in self.boxes]
        sizes = [0]
        if len(shapes) > 1:
            sizes = [self.layout.torch_shape(shape)[0] for shape in shapes]
        ends = np.cumsum(sizes)
        if len(shapes) == 1:
            return (moved(lambda x: self.layout.to_flax(x, shapes[0]), value),)
        return tuple(
            moved(lambda x, a=end - size, b=end, s=shape: self.layout.to_flax(x[a:b], s), value)
            for end, size, shape in zip(ends, sizes, shapes)
        )

    def _join(self, *parts: Any) -> Any:
        laid = [self.layout.to_torch(part) for part in parts]
        if len(laid) == 1:
            return laid[0]
        library = np if all(isinstance(x, np.ndarray) for x in laid) else jax.numpy
        return library.concatenate(laid)


class Stack:
    """An array that a lifted transform (`vmap`, `scan`) has stacked along its first axis, in parts.

    Parts may be written one by one by others than the last: the whole is set when all of them are
    arrays. So a trace, which writes tracers and then what was there, leaves nothing behind.
    """

    __slots__ = ("base", "count", "_whole", "_parts")

    def __init__(self, base: Any, count: int) -> None:
        self.base, self.count = base, count
        self._whole: Any = None
        self._parts: list = []

    def parts(self) -> list:
        whole = self.base.get()
        if whole is self._whole:
            return self._parts
        parts = [moved(lambda x, i=i: x[i], whole) for i in range(self.count)]
        if not any(traced_here(part, whole) for part in parts):
            self._whole, self._parts = whole, parts
        return parts

    def write(self, index: int, array: Any) -> None:
        self._parts = list(self.parts())
        self._parts[index] = array
        if not any(isinstance(x, (jax.core.Tracer, jax.ShapeDtypeStruct)) for x in self._parts):
            self._whole = moved(lambda *parts: jax.numpy.stack(parts), *self._parts)
            self.base.set(self._whole)


class Slice:
    """One part of a stack, as what a `FlaxCell` reads and writes."""

    __slots__ = ("stack", "index")

    def __init__(self, stack: Stack, index: int) -> None:
        self.stack, self.index = stack, index

    @property
    def variable(self) -> Any:
        return self.stack.base.variable

    def get(self) -> Any:
        return self.stack.parts()[self.index]

    def set(self, array: Any) -> None:
        self.stack.write(self.index, array)


class ZeroBox:
    """A part of torch's parameter that Flax has no variable for: zeros, which stay zeros.

    Args:
        like: what holds an array of the same shape.
        name: torch's name of the parameter.
    """

    __slots__ = ("_like", "name", "_zeros")

    def __init__(self, like: Any, name: str) -> None:
        self._like, self.name = like, name
        self._zeros: Any = None

    def get(self) -> Any:
        like = self._like.get()
        if self._zeros is None or self._zeros.dtype != like.dtype:
            self._zeros = np.zeros(like.shape, like.dtype)
        return self._zeros

    def set(self, array: Any) -> None:
        if not isinstance(array, jax.core.Tracer) and np.any(np.asarray(array)):
            raise ValueError(f"{self.name} can only be zero: Flax's layer has no such bias")


def moved(function: Any, *arrays: Any) -> Any:
    """`function`, which only moves elements, on arrays: on the host where they are there already."""
    if any(isinstance(x, jax.ShapeDtypeStruct) for x in arrays):
        return jax.eval_shape(function, *arrays)
    with jax.enable_x64(True):
        if any(isinstance(x, jax.core.Tracer) for x in arrays):
            return function(*arrays)
        with jax.ensure_compile_time_eval():
            if all(_on_host(x) for x in arrays):
                return jax.numpy.asarray(np.array(function(*map(np.asarray, arrays)), order="C"))
            return function(*arrays)


def _on_host(x: Any) -> bool:
    if not isinstance(x, jax.Array):
        return isinstance(x, np.ndarray)
    devices = x.devices()
    return len(devices) == 1 and next(iter(devices)).platform == "cpu"
