"""`Batcher`: batches of samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat.utils.data.datapipes._batching import check_size, count_of
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import DataChunk, MapDataPipe

__all__ = ["BatcherMapDataPipe"]


@functional_datapipe("batch")
class BatcherMapDataPipe(MapDataPipe):
    """Batches of samples.

    Args:
        datapipe: the samples.
        batch_size: samples a batch.
        drop_last: leave out a last batch that is not full.
        wrapper_class: makes a batch of a list.
    """

    def __init__(
        self,
        datapipe: MapDataPipe,
        batch_size: int,
        drop_last: bool = False,
        wrapper_class: Callable = DataChunk,
    ) -> None:
        check_size(batch_size)
        self.datapipe: Any = datapipe
        self.batch_size, self.drop_last = batch_size, drop_last
        self.wrapper_class = wrapper_class

    def __getitem__(self, index: int) -> Any:
        start = index * self.batch_size
        places = range(start, min(start + self.batch_size, len(self.datapipe)))
        if not 0 <= index < len(self):
            raise IndexError(f"Index {index} is out of bound.")
        return self.wrapper_class([self.datapipe[i] for i in places])

    def __len__(self) -> int:
        return count_of(len(self.datapipe), self.batch_size, self.drop_last)
