"""Batches and groups of samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from torchcompat.utils.data.datapipes._batching import Batching, batches, count_of, length
from torchcompat.utils.data.datapipes._columns import check_callable
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import DataChunk, IterDataPipe

__all__ = ["BatcherIterDataPipe", "GrouperIterDataPipe", "UnBatcherIterDataPipe"]


@functional_datapipe("batch")
class BatcherIterDataPipe(Batching, IterDataPipe):
    """Batches of samples; see `Batching`."""

    def __iter__(self) -> Iterator:
        return batches(self.datapipe, self.batch_size, self.drop_last, self.wrapper_class)

    def __len__(self) -> int:
        return count_of(length(self, self.datapipe), self.batch_size, self.drop_last)


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe):
    """The samples of batches.

    Args:
        datapipe: the batches.
        unbatch_level: how many levels of lists are undone; -1: all.

    Raises:
        ValueError: the level is below -1.
        IndexError: there are not as many levels.
    """

    def __init__(self, datapipe: IterDataPipe, unbatch_level: int = 1) -> None:
        self.datapipe, self.unbatch_level = datapipe, unbatch_level

    def __iter__(self) -> Iterator:
        for x in self.datapipe:
            yield from self._flat(x, self.unbatch_level)

    def _flat(self, x: Any, level: int) -> Iterator:
        if level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        nested = isinstance(x, list)
        if not nested and level > 0:
            raise IndexError(
                f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe"
            )
        if level == 0 or not nested:
            yield x
            return
        for one in x:
            yield from self._flat(one, max(level - 1, -1))


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe):
    """Groups of samples of one key.

    Args:
        datapipe: the samples.
        group_key_fn: gives a sample's key.
        keep_key: give pairs of a key and its group.
        buffer_size: how many samples are held; then the largest group goes out.
        group_size: a group goes out when it is as large.
        guaranteed_group_size: groups that go out to make room are as large, or an error.
        drop_remaining: leave out groups that are smaller than that, instead.

    Raises:
        ValueError: a size is out of range.
        RuntimeError: a group would go out too small.
    """

    def __init__(
        self,
        datapipe: IterDataPipe,
        group_key_fn: Callable,
        *,
        keep_key: bool = False,
        buffer_size: int = 10000,
        group_size: int | None = None,
        guaranteed_group_size: int | None = None,
        drop_remaining: bool = False,
    ) -> None:
        check_callable(group_key_fn)
        self.datapipe, self.group_key_fn, self.keep_key = datapipe, group_key_fn, keep_key
        self.max_buffer_size, self.group_size = buffer_size, group_size
        self.guaranteed_group_size, self.drop_remaining = guaranteed_group_size, drop_remaining
        self.wrapper_class = DataChunk
        if group_size is not None and not 0 < group_size <= buffer_size:
            raise ValueError("group_size must be > 0 and <= buffer_size")
        least = guaranteed_group_size
        if least is not None and (group_size is None or not 0 < least <= group_size):
            raise ValueError("guaranteed_group_size must be > 0 and <= group_size")

    def __iter__(self) -> Iterator:
        groups: dict[Any, list] = {}
        held = 0
        for x in self.datapipe:
            key = self.group_key_fn(x)
            group = groups.setdefault(key, [])
            group.append(x)
            held += 1
            if self.group_size is not None and len(group) == self.group_size:
                held -= len(group)
                yield self._given(key, groups.pop(key))
            if held == self.max_buffer_size:
                key = max(groups, key=lambda one: len(groups[one]))
                group = groups.pop(key)
                held -= len(group)
                if self._whole(group):
                    yield self._given(key, group)
        for key, group in groups.items():
            yield self._given(key, group)

    def _whole(self, group: list) -> bool:
        """Whether a group may go out to make room."""
        if self.guaranteed_group_size is None or len(group) >= self.guaranteed_group_size:
            return True
        if not self.drop_remaining:
            raise RuntimeError("Failed to group items", str(group))
        warnings.warn("Grouper dropped a group to make room in its buffer", stacklevel=3)
        return False

    def _given(self, key: Any, group: list) -> Any:
        chunk = self.wrapper_class(group)
        return (key, chunk) if self.keep_key else chunk
