"""A program that goes on in the recorded graph: it hands over what its derivative needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat._compile._xla import Program
from torchcompat._ops._common import conjugate


class Recorded:
    """A program and its derivative by some of its inputs, each compiled once.

    Args:
        program: `(state, arrays) -> outputs`.
        count: of the arrays of the state.
        places: which inputs it is differentiated by; those of `arrays` count on from the state's.
        tracked: which outputs gradients come in for.
        largest: the bytes of the largest value that it computes.
    """

    def __init__(
        self,
        program: Callable[[list, list], list],
        count: int,
        places: Sequence[int],
        tracked: Sequence[int],
        largest: int,
    ) -> None:
        self._places, self._tracked = frozenset(places), tracked

        def forward(changing: list, fixed: list) -> tuple:
            def run(*changing: Any) -> tuple:
                sides = iter(fixed), iter(changing)
                total = len(fixed) + len(changing)
                inputs = [next(sides[i in self._places]) for i in range(total)]
                outputs: list = program(inputs[:count], inputs[count:])
                return tuple(outputs[i] for i in tracked), outputs

            _, pull, outputs = jax.vjp(run, *changing, has_aux=True)  # type: ignore[var-annotated]
            return outputs, pull

        self._forward = Program(forward, largest)
        self._pulled = Program(_gradients, largest)

    def __call__(self, values: list, arrays: list) -> tuple[list, Callable]:
        """The outputs, and what takes their gradients by number and gives those of the inputs."""
        sides: tuple[list, list] = [], []
        for i, x in enumerate((*values, *arrays)):
            sides[i in self._places].append(x)
        outputs, pull = self._forward(sides[1], sides[0])
        forms = [(i, outputs[i].shape, outputs[i].dtype) for i in self._tracked]

        def pulled(held: dict[int, Any]) -> tuple:
            given = [held[i] if i in held else jnp.zeros(*form) for i, *form in forms]
            return self._pulled(pull, given)

        return outputs, pulled


def _gradients(pull: Callable, gradients: list) -> tuple:
    # torch's gradients of complex tensors are the conjugates of JAX's.
    return tuple(map(conjugate, pull(tuple(map(conjugate, gradients)))))
