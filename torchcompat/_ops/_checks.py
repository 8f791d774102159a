"""Values on the host, where JAX is not tracing and they are known, and checks of indices by them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


def known(x: Any) -> np.ndarray | None:
    """The values of an index on the host, or None where they are traced or missing (`meta`)."""
    if x is None or isinstance(x, (jax.core.Tracer, jax.ShapeDtypeStruct)):
        return None
    return np.asarray(x)


class UnknownValueError(NotImplementedError):
    """What is to be done depends on values, and they are traced."""


def values_of(name: str, x: Any, what: str = "the size of its result depends on") -> np.ndarray:
    """The values on the host, of an array that decides what `name` does.

    Raises:
        UnknownValueError: they are traced.
    """
    found = known(x)
    if found is None:
        raise UnknownValueError(
            f"{name} inside a compiled or traced function: {what} values, and those are not known "
            "while it is traced"
        )
    return found


def outside(index: Any, size: int, negative: bool = False) -> int | None:
    """The first index outside of `[0, size)`, or of `[-size, size)` where `negative` ones count."""
    values = known(index)
    if values is None or not values.size or values.dtype.kind not in "iu":
        return None
    low = -size if negative else 0
    if values.min() >= low and values.max() < size:
        return None
    values = values.reshape(-1)
    return int(values[(values < low) | (values >= size)][0])


def check_bounds(
    index: Any,
    size: int,
    dim: int,
    error: type = IndexError,
    prefix: str = "",
    negative: bool = False,
) -> None:
    """Raises torch's error for an index outside of dimension `dim`."""
    wrong = outside(index, size, negative)
    if wrong is not None:
        raise error(f"{prefix}index {wrong} is out of bounds for dimension {dim} with size {size}")
