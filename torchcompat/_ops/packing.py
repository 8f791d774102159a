"""Moving rows between padded and packed sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax import numpy as jnp

from torchcompat._ops._registry import Array, op


@op()
def take_rows(input: Array, rows: Array, padding_value: Array) -> Array:
    """The rows of `input` that `rows` names, and `padding_value` where it is negative.

    Shape:
        input `(n, *)`, rows `(...)`; output `(..., *)`.
    """
    found = input[jnp.maximum(rows, 0)]
    missing = (rows < 0).reshape(*rows.shape, *(1,) * (input.ndim - 1))
    return jnp.where(missing, padding_value.astype(input.dtype), found)


@op()
def pad_sequence(
    sequences: Sequence[Array], batch_first: bool, padding_value: float, left: bool
) -> Array:
    """Sequences `(L, *)` stacked along a new dimension, padded to the longest."""
    return padded(jnp, sequences, batch_first, padding_value, left)


def padded(
    xp: Any, sequences: Sequence[Any], batch_first: bool, padding_value: float, left: bool
) -> Any:
    """`pad_sequence` by NumPy or by `jax.numpy`, whichever `xp` is."""
    like = sequences[0]
    if not like.ndim:
        raise RuntimeError("ArrayRef: invalid slice, N = 1; size = 0")
    longest = max(one.shape[0] for one in sequences)
    value = xp.asarray(padding_value).astype(like.dtype)
    rows = []
    for one in sequences:
        size = (one.shape[0], *like.shape[1:])
        _check_size(one.shape, size)
        gap = longest - one.shape[0]
        widths = [(gap, 0) if left else (0, gap)] + [(0, 0)] * (like.ndim - 1)
        one = xp.broadcast_to(one, size).astype(like.dtype)
        rows.append(xp.pad(one, widths, constant_values=value))
    return xp.stack(rows, axis=0 if batch_first else 1)


def _check_size(got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raises torch's error where a sequence of size `got` does not fit size `wanted`."""
    for back, (n, m) in enumerate(zip(reversed(got), reversed(wanted)), 1):
        if n not in (1, m):
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) at "
                f"non-singleton dimension {len(wanted) - back}"
            )
