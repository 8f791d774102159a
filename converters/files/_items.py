"""Tensors that wait to be written: what is known of each, and its values when their turn comes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from torchcompat import _dtype

Progress = Callable[[str, int], None]
_PIECE = 1 << 20


class Item(NamedTuple):
    """A tensor to be written.

    Attributes:
        read: gives its values, when their turn has come; they are cast to `dtype`.
        tie: equal for names that stand for one tensor.
    """

    name: str
    dtype: _dtype.dtype
    shape: tuple[int, ...]
    tie: Hashable
    read: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def values(self) -> np.ndarray:
        """Its elements in the dtype that `read` gives them, in any layout."""
        values = self.read()
        if values.size * self.dtype.itemsize != self.nbytes:
            raise RuntimeError(f"{self.name!r} has shape {self.shape} but {values.size} values")
        return values

    def pieces(self) -> Iterator[memoryview]:
        """Its bytes, little-endian and in row-major order, in parts.

        Neither a cast nor another layout takes the memory of a second tensor.
        """
        return encoded(self.values(), self.dtype)


def encoded(values: np.ndarray, dtype: _dtype.dtype) -> Iterator[memoryview]:
    """The bytes of values as `dtype`, as `Item.pieces` gives them."""
    for run in _runs(values):
        with np.errstate(over="ignore", invalid="ignore"):
            run = run.astype(dtype.numpy, copy=False)
        yield run.astype(run.dtype.newbyteorder("<"), copy=False).view(np.uint8).data


def _runs(values: np.ndarray) -> Iterator[np.ndarray]:
    """Contiguous arrays of one dimension that hold the values one after another."""
    if values.flags.c_contiguous:
        flat = values.reshape(-1)
        for start in range(0, flat.size, _PIECE):
            yield flat[start : start + _PIECE]
    elif values.size <= _PIECE:
        yield np.ascontiguousarray(values).reshape(-1)
    else:
        rows = max(1, _PIECE * len(values) // values.size)
        for start in range(0, len(values), rows):
            part = values[start : start + rows]
            yield from _runs(part[0] if len(part) == 1 else part)


def split_ties(items: Sequence[Item]) -> tuple[list[Item], dict[str, str]]:
    """The items to write, one for each tensor, and for the other names the one that is kept."""
    kept: dict[Hashable, Item] = {}
    others: dict[str, str] = {}
    for item in items:
        first = kept.setdefault(item.tie, item)
        if first is not item:
            others[item.name] = first.name
    return list(kept.values()), others


def silent(name: str, nbytes: int) -> None:
    """Reports nothing."""
