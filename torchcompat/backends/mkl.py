"""`torch.backends.mkl`: XLA has products of its own."""

from __future__ import annotations


def is_available() -> bool:
    """False: XLA has products of its own."""
    return False
