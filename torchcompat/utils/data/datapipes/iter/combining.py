"""Several DataPipes as one, and one as several."""

from __future__ import annotations

import copy as copying
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from torchcompat.utils.data.datapipes._batching import length
from torchcompat.utils.data.datapipes._columns import check_callable
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe

__all__ = [
    "ConcaterIterDataPipe",
    "DemultiplexerIterDataPipe",
    "ForkerIterDataPipe",
    "MultiplexerIterDataPipe",
    "ZipperIterDataPipe",
]


class _Several(IterDataPipe):
    """A pipe of several others.

    Raises:
        ValueError: there are none.
        TypeError: one of them is no IterDataPipe.
    """

    def __init__(self, *datapipes: IterDataPipe) -> None:
        if not datapipes:
            raise ValueError(f"Expected at least one DataPipe, but got nothing for {type(self)}")
        if not all(isinstance(one, IterDataPipe) for one in datapipes):
            raise TypeError("Expected all inputs to be `IterDataPipe`")
        self.datapipes = datapipes

    def _lengths(self) -> list[int]:
        return [length(self, one) for one in self.datapipes]


@functional_datapipe("concat")
class ConcaterIterDataPipe(_Several):
    """The samples of each pipe, one pipe after the other."""

    def __iter__(self) -> Iterator:
        for one in self.datapipes:
            yield from one

    def __len__(self) -> int:
        return sum(self._lengths())


@functional_datapipe("zip")
class ZipperIterDataPipe(_Several):
    """Tuples of one sample of each pipe, as many as the shortest has."""

    def __iter__(self) -> Iterator:
        return zip(*self.datapipes)

    def __len__(self) -> int:
        return min(self._lengths())


@functional_datapipe("mux")
class MultiplexerIterDataPipe(_Several):
    """One sample of each pipe in turn, until the shortest ends."""

    def __iter__(self) -> Iterator:
        for several in zip(*self.datapipes):
            yield from several

    def __len__(self) -> int:
        return min(self._lengths()) * len(self.datapipes)


class _Shared(IterDataPipe):
    """What children of one pipe share: samples that some of them have not had yet.

    Attributes:
        held: for each child the samples that wait for it.
        passes: for each child how many passes it has begun; a new one of all begins the source anew.
    """

    def __init__(self, datapipe: IterDataPipe, count: int, buffer_size: int, deal: Any) -> None:
        self.main_datapipe, self.buffer_size, self.deal = datapipe, buffer_size, deal
        self.held: list[deque] = [deque() for _ in range(count)]
        self.passes = [0] * count
        self.number, self.source = 0, None

    def begin(self, child: int) -> int:
        """Begins a pass of one child; a second one of it ends the pass of all."""
        self.passes[child] += 1
        if self.source is None or self.passes[child] > self.number:
            if self.source is not None and any(self.held):
                warnings.warn(
                    "Some child DataPipes are not exhausted when __iter__ is called. We are resetting "
                    "the buffer and each child DataPipe will read from the start again.",
                    stacklevel=4,
                )
            self.number = max(self.passes)
            self.passes[:] = [self.number - 1] * len(self.passes)
            self.passes[child] = self.number
            self.source = iter(self.main_datapipe)
            for one in self.held:
                one.clear()
        return self.number

    def next_for(self, child: int) -> Any:
        """The next sample of one child.

        Raises:
            StopIteration: there are no more.
            BufferError: too many samples wait for the others.
        """
        while not self.held[child]:
            sample = next(self.source)  # type: ignore[call-overload]
            for place, x in self.deal(sample):
                self.held[place].append(x)
            waiting = sum(map(len, self.held))
            if 0 <= self.buffer_size < waiting - bool(self.held[child]):
                raise BufferError(
                    f"{self.deal.title} buffer overflow,buffer size {self.buffer_size} is insufficient."
                )
        return self.held[child].popleft()

    def __getstate__(self) -> dict[str, Any]:
        count = len(self.held)
        fresh = {"held": [deque() for _ in range(count)], "passes": [0] * count}
        return {**super().__getstate__(), **fresh, "number": 0, "source": None}


class _ChildDataPipe(IterDataPipe):
    """One of the pipes that a pipe was made into.

    Raises:
        RuntimeError: another child has begun a new pass of all.
    """

    def __init__(self, main_datapipe: _Shared, instance_id: int) -> None:
        self.main_datapipe, self.instance_id = main_datapipe, instance_id

    def __iter__(self) -> Iterator:
        number = self.main_datapipe.begin(self.instance_id)
        while True:
            if self.main_datapipe.number != number:
                raise RuntimeError(
                    "This iterator has been invalidated because another iterator has been created "
                    f"from one of the child DataPipes of {self.main_datapipe!r}."
                )
            try:
                x = self.main_datapipe.next_for(self.instance_id)
            except StopIteration:
                return
            yield x

    def __len__(self) -> int:
        if not isinstance(self.main_datapipe.deal, _ToAll):
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return length(self, self.main_datapipe.main_datapipe)


class _ToAll:
    """Deals a sample to all children."""

    title = "ForkerIterDataPipe"

    def __init__(self, count: int, copy: str | None) -> None:
        self.count = count
        makers = {None: lambda x: x, "shallow": copying.copy, "deep": copying.deepcopy}
        if copy not in makers:
            raise ValueError(
                f"Unknown copy method `{copy}` requested, choose one of None, `shallow` or `deep`."
            )
        self.copy = copy

    def __call__(self, sample: Any) -> list[tuple[int, Any]]:
        own = {"shallow": copying.copy, "deep": copying.deepcopy}.get(self.copy or "", lambda x: x)
        return [(i, own(sample)) for i in range(self.count)]


class _ToOne:
    """Deals a sample to the child whose number a function gives."""

    title = "DemultiplexerIterDataPipe"

    def __init__(self, count: int, classifier_fn: Callable, drop_none: bool) -> None:
        self.count, self.classifier_fn, self.drop_none = count, classifier_fn, drop_none

    def __call__(self, sample: Any) -> list[tuple[int, Any]]:
        place = self.classifier_fn(sample)
        if place is None and self.drop_none:
            return []
        if place is None or not 0 <= place < self.count:
            raise ValueError(
                f"Output of the classification fn should be between 0 and {self.count - 1}. "
                f"{place} is returned."
            )
        return [(int(place), sample)]


def _children(datapipe: IterDataPipe, count: int, buffer_size: int, deal: Any) -> list:
    if count < 1:
        raise ValueError(f"Expected `num_instances` larger than 0, but {count} is found")
    if buffer_size < 0:
        warnings.warn(
            "Unlimited buffer size is set, please be aware of OOM risks", UserWarning, stacklevel=4
        )
    shared = _Shared(datapipe, count, buffer_size, deal)
    return [_ChildDataPipe(shared, i) for i in range(count)]


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe):
    """Several pipes with the samples of one.

    Args:
        datapipe: the samples.
        num_instances: how many.
        buffer_size: how far one of them may be ahead; -1: without limit.
        copy: give each "shallow" or "deep" copies.
    """

    def __new__(
        cls,
        datapipe: IterDataPipe,
        num_instances: int,
        buffer_size: int = 1000,
        copy: str | None = None,
    ) -> Any:
        if num_instances == 1:
            return [datapipe]
        return _children(datapipe, num_instances, buffer_size, _ToAll(num_instances, copy))


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe):
    """Several pipes among which the samples of one are dealt out.

    Args:
        datapipe: the samples.
        num_instances: how many.
        classifier_fn: gives the number of a sample's pipe.
        drop_none: leave out samples for which it gives None.
        buffer_size: how many samples may wait; -1: without limit.
    """

    def __new__(
        cls,
        datapipe: IterDataPipe,
        num_instances: int,
        classifier_fn: Callable,
        drop_none: bool = False,
        buffer_size: int = 1000,
    ) -> Any:
        check_callable(classifier_fn)
        deal = _ToOne(num_instances, classifier_fn, drop_none)
        return _children(datapipe, num_instances, buffer_size, deal)
