"""Letting a compiled program write its results over the state that it replaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import jax

from torchcompat._compile._xla import Program

# A list, its storage and the call that counts: who else refers to an array wants to keep it.
_OWN_REFERENCES = 3


class Donating:
    """A program that reuses the memory of the state it replaces.

    Args:
        program: `(state, arrays) -> outputs`.
        replaced: for each array of the state, whether the program replaces it.
        split: where among the outputs the new state begins. JAX gives memory to outputs in their
            order: the new state comes first, into its own place.
        largest: the bytes of the largest value that it computes.
    """

    def __init__(
        self,
        program: Callable[[list, list], list],
        replaced: Sequence[bool],
        split: int,
        largest: int,
    ) -> None:
        self._split = split
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

        self._jitted = Program(run, largest, donate_argnums=(0,))

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
        given, kept = ([values[i] for i in places] for places in (self._given, self._kept))
        outputs = self._jitted(given, kept, arrays)
        count = len(outputs) - self._split
        return outputs[count:] + outputs[:count]


def _unseen(value: Any) -> bool:
    """Whether `value` is JAX's own, with no NumPy array over its memory."""
    return isinstance(value, jax.Array) and getattr(value, "_npy_value", value) is None
