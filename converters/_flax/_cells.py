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
        library = np if isinstance(laid[0], np.ndarray) else jax.numpy
        return library.concatenate(laid)


class ZeroCell(Cell):
    """A storage that Flax has no variable for: it reads as zeros and takes nothing else."""

    __slots__ = ("_zeros", "name")

    def __init__(self, zeros: Any, name: str) -> None:
        self._zeros, self.name = zeros, name
        self.version = self.unseen = 0
        self.inference = False
        self.serial = serial()

    @property  # type: ignore[override]
    def value(self) -> Any:
        return self._zeros

    @value.setter
    def value(self, value: Any) -> None:
        if isinstance(value, jax.core.Tracer):
            raise NotImplementedError(f"{self.name}: Flax's layer has no such bias to compute with")
        if np.any(np.asarray(value)):
            raise ValueError(f"{self.name} can only be zero: Flax's layer has no such bias")


def moved(function: Any, *arrays: Any) -> Any:
    """`function`, which only moves elements, on arrays: on the host where they are there already."""
    if any(isinstance(x, jax.ShapeDtypeStruct) for x in arrays):
        return jax.eval_shape(function, *arrays)
    with jax.enable_x64(True):
        if all(_on_host(x) for x in arrays):
            with jax.ensure_compile_time_eval():
                return jax.numpy.asarray(np.array(function(*map(np.asarray, arrays)), order="C"))
        return function(*arrays)


def _on_host(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return True
    if isinstance(x, jax.core.Tracer) or not isinstance(x, jax.Array):
        return False
    devices = x.devices()
    return len(devices) == 1 and next(iter(devices)).platform == "cpu"
