"""`torch.backends.nnpack`: not used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

enabled = False


def is_available() -> bool:
    """False."""
    return False


@contextmanager
def flags(enabled: bool = False) -> Iterator[None]:
    """A context that changes nothing."""
    yield
