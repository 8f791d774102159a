"""`torch.utils._mode_utils`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


def all_same_mode(modes: list) -> bool:
    """Whether all are the same mode."""
    return all(one == modes[0] for one in modes)


@contextlib.contextmanager
def no_dispatch() -> Iterator[None]:
    """A context that changes nothing: no mode can be entered."""
    yield
