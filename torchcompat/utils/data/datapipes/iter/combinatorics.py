"""The samples in another order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchcompat.utils.data.datapipes._batching import length
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes._seeds import Seeded
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe
from torchcompat.utils.data.sampler import SequentialSampler

__all__ = ["SamplerIterDataPipe", "ShufflerIterDataPipe"]


class SamplerIterDataPipe(IterDataPipe):
    """What a sampler gives of a pipe.

    Args:
        datapipe: the pipe, which has a length.
        sampler: a class of samplers; `sampler_args` and `sampler_kwargs` are its further arguments.
    """

    def __init__(
        self,
        datapipe: IterDataPipe,
        sampler: type = SequentialSampler,
        sampler_args: tuple | None = None,
        sampler_kwargs: dict | None = None,
    ) -> None:
        self.datapipe = datapipe
        self.sampler_args = sampler_args or ()
        self.sampler_kwargs = {**(sampler_kwargs or {}), "data_source": datapipe}
        self.sampler = sampler(*self.sampler_args, **self.sampler_kwargs)

    def __iter__(self) -> Iterator:
        return iter(self.sampler)

    def __len__(self) -> int:
        return length(self, self.sampler)


@functional_datapipe("shuffle")
class ShufflerIterDataPipe(Seeded, IterDataPipe):
    """The samples in random order, through a buffer.

    Args:
        datapipe: the samples.
        buffer_size: how many of them are held; with fewer the order is less random.
        unbatch_level: how many levels of batches are undone first.
    """

    def __init__(
        self, datapipe: IterDataPipe, *, buffer_size: int = 10000, unbatch_level: int = 0
    ) -> None:
        if buffer_size <= 0:
            raise ValueError("buffer_size should be larger than 0")
        pipe: Any = datapipe
        self.datapipe = pipe.unbatch(unbatch_level=unbatch_level) if unbatch_level else datapipe
        self.buffer_size = buffer_size
        super().__init__()

    def __iter__(self) -> Iterator:
        if not self._enabled:
            yield from self.datapipe
            return
        held: list = []
        for x in self.datapipe:
            if len(held) < self.buffer_size:
                held.append(x)
                continue
            place = self._rng.randint(0, len(held) - 1)
            given, held[place] = held[place], x
            yield given
        while held:
            yield held.pop(self._rng.randint(0, len(held) - 1))

    def __len__(self) -> int:
        return length(self, self.datapipe)
