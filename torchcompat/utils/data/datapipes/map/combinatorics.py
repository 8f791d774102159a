"""`Shuffler`: the samples in random order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from torchcompat.utils.data.datapipes._seeds import drawn_seed
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = ["ShufflerIterDataPipe"]


class ShufflerIterDataPipe(IterDataPipe):
    """The samples of a MapDataPipe in random order, in sequence.

    Args:
        datapipe: the samples.
        indices: their indices, where they are not numbered from 0.
    """

    def __init__(self, datapipe: MapDataPipe, *, indices: list | None = None) -> None:
        self.datapipe: Any = datapipe
        self.indices = list(range(len(self.datapipe))) if indices is None else indices
        self._enabled = True
        self._seed: int | None = None
        self._rng = random.Random()
        self._shuffled_indices = self.indices

    def set_shuffle(self, shuffle: bool = True) -> ShufflerIterDataPipe:
        """Turns shuffling on or off."""
        self._enabled = shuffle
        return self

    def set_seed(self, seed: int) -> ShufflerIterDataPipe:
        """Sets the seed of the next pass."""
        self._seed = seed
        return self

    def reset(self) -> None:
        """Draws the order of the pass that begins."""
        if self._enabled:
            self._rng.seed(drawn_seed() if self._seed is None else self._seed)
            self._seed = None
            self._shuffled_indices = self._rng.sample(self.indices, len(self.indices))[::-1]
        else:
            self._shuffled_indices = self.indices

    def __iter__(self) -> Iterator:
        for index in self._shuffled_indices:
            yield self.datapipe[index]

    def __len__(self) -> int:
        return len(self.datapipe)


MapDataPipe.register_datapipe_as_function("shuffle", ShufflerIterDataPipe)
