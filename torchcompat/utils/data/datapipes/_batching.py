"""Batches of samples, for both kinds of DataPipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchcompat.utils.data.datapipes.datapipe import DataChunk


class Batching:
    """What a pipe of batches is made of.

    Args:
        datapipe: the samples.
        batch_size: samples a batch.
        drop_last: leave out a last batch that is not full.
        wrapper_class: makes a batch of a list.
    """

    def __init__(
        self,
        datapipe: Any,
        batch_size: int,
        drop_last: bool = False,
        wrapper_class: Callable = DataChunk,
    ) -> None:
        check_size(batch_size)
        self.datapipe, self.batch_size = datapipe, batch_size
        self.drop_last, self.wrapper_class = drop_last, wrapper_class


def batches(samples: Iterable, size: int, drop_last: bool, wrap: Callable) -> Iterator:
    """The samples, `size` at a time.

    Args:
        wrap: makes a batch of a list.
    """
    held: list = []
    for x in samples:
        held.append(x)
        if len(held) == size:
            yield wrap(held)
            held = []
    if held and not drop_last:
        yield wrap(held)


def count_of(samples: int, size: int, drop_last: bool) -> int:
    """How many batches there are."""
    return samples // size if drop_last else -(-samples // size)


def check_size(size: int) -> None:
    """Raises torch's error for a batch size that is none."""
    if size <= 0:
        raise AssertionError("Batch size is required to be larger than 0!")


def length(pipe: object, of: object) -> int:
    """The length of `of`.

    Raises:
        TypeError: it has none, so `pipe` has none.
    """
    if hasattr(type(of), "__len__"):
        return len(of)  # type: ignore[arg-type]
    raise TypeError(f"{type(pipe).__name__} instance doesn't have valid length")
