"""`Batcher`: batches of samples."""

from __future__ import annotations

from typing import Any

from torchcompat.utils.data.datapipes._batching import Batching, count_of
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import MapDataPipe

__all__ = ["BatcherMapDataPipe"]


@functional_datapipe("batch")
class BatcherMapDataPipe(Batching, MapDataPipe):
    """Batches of samples; see `Batching`."""

    def __getitem__(self, index: int) -> Any:
        start = index * self.batch_size
        places = range(start, min(start + self.batch_size, len(self.datapipe)))
        if not 0 <= index < len(self):
            raise IndexError(f"Index {index} is out of bound.")
        return self.wrapper_class([self.datapipe[i] for i in places])

    def __len__(self) -> int:
        return count_of(len(self.datapipe), self.batch_size, self.drop_last)
