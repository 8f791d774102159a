"""The sampler that deals a dataset out to the processes of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torchcompat
from torchcompat.utils.data.dataset import Dataset
from torchcompat.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index from `rank` on, so that each process has its own share.

    Args:
        num_replicas: the number of processes; `jax.process_count()` is what a JAX run passes.
        rank: this process, from 0.
        shuffle: reorder in each epoch, by `seed + epoch` (see `set_epoch`).
        drop_last: drop what does not divide evenly; otherwise indices are repeated.

    Raises:
        ValueError: `num_replicas` or `rank` is left out (there is no process group to ask), or `rank`
            is outside of the interval.
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                "Default process group has not been initialized, please make sure to call "
                "init_process_group."
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset: Any = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(self.dataset)
        if drop_last and count % num_replicas:
            self.num_samples = math.ceil((count - num_replicas) / num_replicas)
        else:
            self.num_samples = math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        indices = list(range(len(self.dataset)))
        if self.shuffle:
            generator = torchcompat.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = torchcompat.randperm(len(self.dataset), generator=generator).tolist()
        # Too few are filled up from the start; too many are cut off.
        indices = list(itertools.islice(itertools.cycle(indices), self.total_size))
        return iter(indices[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch that the order depends on; call it before each pass."""
        self.epoch = epoch
