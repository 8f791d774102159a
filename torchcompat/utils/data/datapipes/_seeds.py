"""Seeds of pipes that shuffle."""

from __future__ import annotations

import random
from typing import Any, Self

import torchcompat


def drawn_seed(generator: Any = None) -> int:
    """A seed from torch's random stream, or from a generator."""
    drawn = torchcompat.empty((), dtype=torchcompat.int64).random_(generator=generator)
    return int(drawn.item())


class Seeded:
    """Shuffling that can be turned off, each pass under a seed of its own."""

    def __init__(self) -> None:
        self._enabled = True
        self._seed: int | None = None
        self._rng = random.Random()

    def set_shuffle(self, shuffle: bool = True) -> Self:
        """Turns shuffling on or off."""
        self._enabled = shuffle
        return self

    def set_seed(self, seed: int) -> Self:
        """Sets the seed of the next pass."""
        self._seed = seed
        return self

    def reset(self) -> None:
        """Seeds the pass that begins."""
        if self._enabled:
            self._rng.seed(drawn_seed() if self._seed is None else self._seed)
            self._seed = None
