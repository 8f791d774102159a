"""Seeds of pipes that shuffle."""

from typing import Any

import torchcompat


def drawn_seed(generator: Any = None) -> int:
    """A seed from torch's random stream, or from a generator."""
    drawn = torchcompat.empty((), dtype=torchcompat.int64).random_(generator=generator)
    return int(drawn.item())
