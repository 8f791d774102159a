"""Results whose size depends on values, distinct elements and counts: found on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchcompat._dtype import scalar_name
from torchcompat._ops._checks import values_of
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._place import put
from torchcompat._tensor._tensor import Tensor

__all__ = ["bincount", "unique", "unique_consecutive"]


def _found(tensor: Tensor, parts: tuple, inverse: bool, counts: bool) -> Any:
    """The values, and the places and counts that were asked for, as tensors beside `tensor`."""
    wanted = [parts[0]]
    if inverse:
        wanted.append(parts[1].astype(np.int64))
    if counts:
        wanted.append(parts[2].astype(np.int64))
    made = tuple(put(np.asarray(x, order="C"), tensor.device) for x in wanted)
    return made if len(made) > 1 else made[0]


def _rows(values: np.ndarray, dim: int | None) -> np.ndarray:
    """What is compared, along the first dimension."""
    return values.reshape(-1) if dim is None else np.moveaxis(values, dim, 0)


@lifted
def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in rising order, or the distinct slices along `dim`.

    Args:
        sorted: accepted; the result is always sorted.
        return_inverse: also where in the result each element went.
        return_counts: also how often each occurred.
    """
    values = values_of("unique", input._read())
    rows = _rows(values, dim)
    flat = rows.reshape(len(rows), rows[:1].size) if dim is not None else rows
    order = _order(flat)
    kept, group, counts = _runs(flat[order])
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = group
    found = rows[order][kept]
    return _found(
        input, _shaped(found, inverse, counts, values, dim), return_inverse, return_counts
    )


def _order(rows: np.ndarray) -> np.ndarray:
    """The places of the elements, or of the rows, in rising order."""
    if rows.ndim == 1:
        return np.argsort(rows, kind="stable")
    return np.lexsort(rows.T[::-1]) if rows.shape[1] else np.arange(len(rows))


def _runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal neighbours: a mask of their first elements, each one's run, the lengths."""
    differs = rows[1:] != rows[:-1]
    if differs.ndim > 1:
        differs = differs.any(axis=tuple(range(1, differs.ndim)))
    kept = np.concatenate([np.ones(min(len(rows), 1), bool), differs])
    group = np.cumsum(kept) - 1
    return kept, group, np.bincount(group, minlength=int(kept.sum())) if len(rows) else group


def _shaped(
    found: np.ndarray, inverse: np.ndarray, counts: np.ndarray, values: np.ndarray, dim: int | None
) -> tuple:
    if dim is None:
        return found, inverse.reshape(values.shape), counts
    return np.moveaxis(found, 0, dim), inverse, counts


@lifted
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or slices along `dim`) without those that equal the one before.

    Args:
        return_inverse: also where in the result each element went.
        return_counts: also how long each run was.
    """
    values = values_of("unique_consecutive", input._read())
    rows = _rows(values, dim)
    kept, group, counts = _runs(rows)
    parts = _shaped(rows[kept], group, counts, values, dim)
    return _found(input, parts, return_inverse, return_counts)


@lifted
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each whole number occurs, or the sum of its weights.

    Raises:
        RuntimeError: the input is not a vector of whole numbers that are not negative.
    """
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.dtype.is_floating_point or input.dtype.is_complex:
        raise NotImplementedError(
            f"\"bincount_cpu\" not implemented for '{scalar_name(input.dtype)}'"
        )
    values = values_of("bincount", input._read())
    if values.ndim != 1 or (values < 0).any():
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return put(np.bincount(values, minlength=minlength).astype(np.int64), input.device)
    shares = values_of("bincount", weights._read())
    if shares.shape != values.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    kind = np.float32 if shares.dtype == np.float32 else np.float64
    counts = np.bincount(values, weights=shares, minlength=minlength)
    return put(counts.astype(kind), input.device)


Tensor.unique = unique
Tensor.unique_consecutive = unique_consecutive
Tensor.bincount = bincount
