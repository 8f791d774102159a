"""Checks of index values on the host, where JAX is not tracing and the values are known."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


def known(x: Any) -> np.ndarray | None:
    """The values of an index on the host, or None where they are traced or missing (`meta`)."""
    if x is None or isinstance(x, (jax.core.Tracer, jax.ShapeDtypeStruct)):
        return None
    return np.asarray(x)


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
