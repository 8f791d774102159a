"""`Shuffler`: the samples in random order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchcompat.utils.data.datapipes._seeds import Seeded
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = ["ShufflerIterDataPipe"]


class ShufflerIterDataPipe(Seeded, IterDataPipe):
    """The samples of a MapDataPipe in random order, in sequence.

    Args:
        datapipe: the samples.
        indices: their indices, where they are not numbered from 0.
    """

    def __init__(self, datapipe: MapDataPipe, *, indices: list | None = None) -> None:
        self.datapipe: Any = datapipe
        self.indices = list(range(len(self.datapipe))) if indices is None else indices
        super().__init__()
        self._shuffled_indices = self.indices

    def reset(self) -> None:
        """Draws the order of the pass that begins."""
        super().reset()
        if self._enabled:
            self._shuffled_indices = self._rng.sample(self.indices, len(self.indices))[::-1]
        else:
            self._shuffled_indices = self.indices

    def __iter__(self) -> Iterator:
        for index in self._shuffled_indices:
            yield self.datapipe[index]

    def __len__(self) -> int:
        return len(self.datapipe)


MapDataPipe.register_datapipe_as_function("shuffle", ShufflerIterDataPipe)
