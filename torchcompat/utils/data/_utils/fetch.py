"""Taking the samples of one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class MapFetcher:
    """Samples by index."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn

    def fetch(self, index: Any) -> Any:
        """The batch of the samples at a list of indices, or the one sample at an index."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        together = getattr(self.dataset, "__getitems__", None)
        if together:
            return self.collate_fn(together(index))
        return self.collate_fn([self.dataset[i] for i in index])


class IterableFetcher:
    """Samples in sequence."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool
    ) -> None:
        self.iterator = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """The batch of the next samples, as many as `index` has, or the next sample.

        Raises:
            StopIteration: there are no more.
        """
        if not self.auto_collation:
            return self.collate_fn(next(self.iterator))
        if self.ended:
            raise StopIteration
        samples = []
        for _ in index:
            try:
                samples.append(next(self.iterator))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(index)):
            raise StopIteration
        return self.collate_fn(samples)
