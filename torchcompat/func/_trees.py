"""Nested arguments and results taken apart into arrays, and boxed again as they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._state import state


@contextmanager
def transforming(kind: str) -> Iterator[None]:
    """Inside of the block runs a transformation: `reverse`, `forward` or `vmap`."""
    before = state.transforms
    state.transforms = (*before, kind)
    try:
        yield
    finally:
        state.transforms = before


def is_tensor(x: Any) -> bool:
    """Whether `x` is a Tensor, which JAX would take apart."""
    return isinstance(x, Tensor)


def is_data(x: Any) -> bool:
    """Whether `x` is a Tensor or an array."""
    return isinstance(x, (Tensor, jax.Array, np.ndarray))


class Nested:
    """A nested value; `arrays` are its Tensors' and arrays' values in order, the rest stays in it."""

    def __init__(self, value: Any) -> None:
        self.leaves, structure = jax.tree.flatten(value, is_leaf=is_tensor)
        self.structure: Any = structure
        self.places = [i for i, leaf in enumerate(self.leaves) if is_data(leaf)]
        self.boxed = [is_tensor(self.leaves[i]) for i in self.places]
        self.arrays = [
            self.leaves[i]._read() if boxed else self.leaves[i]
            for i, boxed in zip(self.places, self.boxed)
        ]

    def others(self) -> list[Any]:
        """The leaves that are neither Tensors nor arrays."""
        return [leaf for leaf in self.leaves if not is_data(leaf)]

    def fill(self, arrays: Sequence[Any]) -> Any:
        """The value with other arrays in the place of its own, boxed as those were."""
        leaves = list(self.leaves)
        for i, boxed, array in zip(self.places, self.boxed, arrays):
            leaves[i] = wrap(array) if boxed else array
        return jax.tree.unflatten(self.structure, leaves)

    def parts(self, arrays: Sequence[Any]) -> list[Any]:
        """The arrays alone, boxed."""
        return [wrap(a) if boxed else a for boxed, a in zip(self.boxed, arrays)]


class Noted:
    """Calls a function on arrays and keeps the shape of its nested result.

    Args:
        function: of the arrays of `given`, as they were nested there.
        has_aux: the function returns a pair, whose second part is handed through.
        kind: the transformation that it is called under.
    """

    def __init__(
        self, function: Callable, given: Nested, has_aux: bool, who: str, kind: str = "reverse"
    ) -> None:
        self.function, self.given, self.has_aux, self.who = function, given, has_aux, who
        self.kind = kind
        self.out: Nested
        self.aux: Nested

    def __call__(self, *arrays: Any) -> Any:
        with transforming(self.kind):
            result = self.function(*self.given.fill(arrays))
        aux: Any = None
        if self.has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError(
                    f"{self.who}: output of function f should be a tuple: (output, aux) "
                    "if has_aux is True"
                )
            result, aux = result
        self.out, self.aux = Nested(result), Nested(aux)
        for leaf in self.out.others():
            raise RuntimeError(
                f"{self.who}: expected f(*primals) to return only tensors, "
                f"got unsupported type {type(leaf)}"
            )
        return self.out.arrays, self.aux.arrays
