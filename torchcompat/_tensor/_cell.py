"""The storage behind tensors: one mutable box around one immutable `jax.Array`."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax

from torchcompat._tensor._state import serial, state


class Turned(NamedTuple):
    """An array with its dimensions in another order: dimension `i` is the value's `order[i]`."""

    array: jax.Array
    order: tuple[int, ...]

    @property
    def form(self) -> tuple[tuple[int, ...], Any]:
        """Shape and type of the value."""
        places = _places(self.order)
        return tuple(self.array.shape[i] for i in places), self.array.dtype

    def value(self) -> jax.Array:
        """The value itself."""
        return _transposed(self.array, _places(self.order))


def _places(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(order.index, range(len(order))))


@functools.partial(jax.jit, static_argnums=1)
def _transposed(array: jax.Array, order: tuple[int, ...]) -> jax.Array:
    return jax.lax.transpose(array, order)


class Cell:
    """A storage. Every tensor that aliases it holds the same cell.

    Attributes:
        value: the array; its row-major order is the storage's element order. On the `meta` device
            a `jax.ShapeDtypeStruct`.
        version: how many in-place writes it has seen.
        unseen: how many of those came through `.data`, which autograd does not look at.
        inference: it was made in inference mode.
        serial: its place in the order of creation.
    """

    __slots__ = ("value", "version", "unseen", "inference", "serial", "__weakref__")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.version = self.unseen = 0
        self.inference = state.inference
        self.serial = serial()
        if state.capture is not None:
            state.capture.made(self)

    @property
    def root(self) -> Cell:
        """The storage that holds the bytes: this one, unless it is another's under a data type."""
        return self

    @property
    def form(self) -> tuple[tuple[int, ...], Any]:
        """Shape and type of the array."""
        return self.value.shape, self.value.dtype

    def turn(self, turned: Turned) -> None:
        """Holds an array in another order than its own, until it is looked at.

        Storages of other kinds, whose array lives elsewhere, take the value as it is.
        """
        if type(self) in (Cell, TurnedCell):
            slot.__set__(self, turned)
            self.__class__ = TurnedCell
        else:
            self.value = turned.value()

    def write(self, value: Any) -> None:
        """Replaces the array: an in-place write.

        Raises:
            RuntimeError: the write would leave a tracer behind in a tensor that outlives the trace.
        """
        leaving = isinstance(value, jax.core.Tracer) and not isinstance(self.value, jax.core.Tracer)
        if leaving and state.capture is None:
            raise RuntimeError(
                "in-place write to a tensor from outside of the function that JAX is tracing; "
                "pass the module or tensor as an argument, or use torchcompat.compile"
            )
        self.value = value
        self.version += 1


# Where an object of any of these classes keeps what it holds.
slot: Any = Cell.__dict__["value"]


class TurnedCell(Cell):
    """A storage while what it holds is in another order; it is again a plain one once that is read.

    Plain storages are read without any code in between, at the cost of this change of class.
    """

    __slots__ = ()

    @property
    def value(self) -> Any:
        found = slot.__get__(self)
        if type(found) is not Turned:  # another thread was first
            return found
        self.value = array = found.value()
        return array

    @value.setter
    def value(self, value: Any) -> None:
        slot.__set__(self, value)
        self.__class__ = Cell

    @property
    def form(self) -> tuple[tuple[int, ...], Any]:
        found = slot.__get__(self)
        return found.form if type(found) is Turned else super().form


def in_order(cell: Cell, order: tuple[int, ...]) -> jax.Array:
    """The array of a storage with its dimensions in an order, in which the storage then holds it."""
    found = slot.__get__(cell) if type(cell) is TurnedCell else None
    if type(found) is not Turned or found.order != order:
        found = Turned(_transposed(cell.value, order), order)
        if type(cell) is Cell:
            cell.turn(found)
    return found.array


def traced_here(result: Any, source: Any) -> bool:
    """Whether `result` belongs to a trace that `source` does not: it must not be kept with it."""
    if not isinstance(result, jax.core.Tracer):
        return False
    return not isinstance(source, jax.core.Tracer) or result._trace is not source._trace


class Silent:
    """What a tensor made by `.data`, and views of it, share: how often they were written through."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        self.writes = 0


class DerivedCell(Cell):
    """A storage that is another's under some reading of it: writes go to that other one.

    Args:
        source: the other storage, which may be a derived one itself.
    """

    __slots__ = ("source", "_cache", "_seen")

    def __init__(self, source: Cell) -> None:
        self.source = source
        self._cache = self._seen = None

    @property
    def root(self) -> Cell:
        return self.source.root

    def _derived(self, held: Any) -> Any:
        raise NotImplementedError

    @property
    def value(self) -> Any:
        held = self.source.value
        if self._seen is not held:
            derived = self._derived(held)
            if traced_here(derived, held):
                return derived
            self._cache, self._seen = derived, held
        return self._cache

    @property
    def version(self) -> int:
        return self.source.version

    @version.setter
    def version(self, value: int) -> None:
        self.source.version = value

    @property
    def unseen(self) -> int:
        return self.source.unseen

    @unseen.setter
    def unseen(self, value: int) -> None:
        self.source.unseen = value

    @property
    def inference(self) -> bool:
        return self.source.inference

    @property
    def serial(self) -> int:
        return self.source.serial

    def write(self, value: Any) -> None:
        self.source.write(value)


class DetachedCell(DerivedCell):
    """A storage seen without its gradient history, for JAX's own differentiation."""

    __slots__ = ()

    def _derived(self, held: Any) -> Any:
        return jax.lax.stop_gradient(held)


def detached(cell: Cell) -> Cell:
    """`cell` as `detach()` shows it: while JAX traces, gradients stop at it."""
    if not isinstance(cell.value, jax.core.Tracer) or isinstance(cell, DetachedCell):
        return cell
    return DetachedCell(cell)
