"""Letting a compiled program write its results over the state that it replaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import jax

from torchcompat._compile._xla import Carried, Program, is_traced
from torchcompat._tensor._cell import Cell, Turned, TurnedCell, in_order

# A list, its storage and the call that counts: who else refers to an array wants to keep it.
_OWN_REFERENCES = 3


class Donating:
    """A program that reuses the memory of the state it replaces.

    Args:
        program: `(state, arrays) -> outputs`.
        replaced: for each array of the state, whether the program replaces it.
        split: where among the outputs the new state begins. JAX gives memory to outputs in their
            order: the new state comes first, into its own place.
        written: how many arrays the new state has.
        largest: the bytes of the largest value that it computes.
        carried: by the places of arrays of the state and of outputs.

    Attributes:
        seen: after how many of the last runs, in a row, more than a quarter of what was handed on was
            looked at.
    """

    def __init__(
        self,
        program: Callable[[list, list], list],
        replaced: Sequence[bool],
        split: int,
        written: int,
        largest: int,
        carried: Carried,
    ) -> None:
        self._split, self._written = split, written
        self._taken, self._left = taken, left = carried.taken, carried.left
        self.seen = -1  # before the first run nothing was handed on
        self._given = [i for i, one in enumerate(replaced) if one]
        self._kept = [i for i, one in enumerate(replaced) if not one]
        count = len(replaced)

        def run(given: list, kept: list, arrays: list) -> list:
            state: list[Any] = [None] * count
            for i, value in zip(self._given, given):
                state[i] = value
            for i, value in zip(self._kept, kept):
                state[i] = value
            outputs = program(state, arrays)
            return outputs[split:] + outputs[:split]

        sides = self._given + self._kept
        come = {i: taken[place] for i, place in enumerate(sides) if place in taken}
        go = {i - split if i >= split else i + written: order for i, order in left.items()}
        self._jitted = Program(run, largest, (0,), Carried(carried.homes, come, go))

    def suits(self, cells: list[Cell], arrays: list) -> bool:
        """Whether the state may be turned: JAX traces none of it, and none of the arguments."""
        if not self._taken:
            return True
        return not is_traced(arrays, [c.value for c in cells if type(c) is not TurnedCell])

    def values(self, cells: list[Cell]) -> list:
        """The arrays of the state, as the program takes them."""
        if not self._taken:
            return [cell.value for cell in cells]
        plain = sum(type(cells[i]) is not TurnedCell for i in self._taken)
        self.seen = self.seen + 1 if 4 * plain > len(self._taken) else 0
        return [
            in_order(cell, self._taken[i]) if i in self._taken else cell.value
            for i, cell in enumerate(cells)
        ]

    def may_take(self, values: list) -> bool:
        """Whether nothing but the storages themselves holds on to the arrays to be replaced.

        A NumPy array over one (`tensor.numpy()`) holds on to it, and so do a clone that shares it
        and a graph that saved it.
        """
        return bool(self._given) and all(
            getrefcount(values[i]) <= _OWN_REFERENCES and _unseen(values[i]) for i in self._given
        )

    def lower(self, values: list, arrays: list) -> Any:
        """The program before it is compiled, as `jax.jit`'s."""
        given, kept = ([values[i] for i in places] for places in (self._given, self._kept))
        return self._jitted.lower(given, kept, arrays)

    def __call__(self, values: list, arrays: list) -> list:
        """The outputs; those that go in another order are `Turned`."""
        given, kept = ([values[i] for i in places] for places in (self._given, self._kept))
        outputs = self._jitted(given, kept, arrays)
        outputs = outputs[self._written :] + outputs[: self._written]
        for i, order in self._left.items():
            outputs[i] = Turned(outputs[i], order)
        return outputs


def _unseen(value: Any) -> bool:
    """Whether `value` is JAX's own, with no NumPy array over its memory."""
    return isinstance(value, jax.Array) and getattr(value, "_npy_value", value) is None
