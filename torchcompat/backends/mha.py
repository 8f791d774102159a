"""`torch.backends.mha`: the fast path of attention layers."""

from __future__ import annotations

_fastpath = [True]


def get_fastpath_enabled() -> bool:
    """Whether the fast path may be taken; there is one path here."""
    return _fastpath[0]


def set_fastpath_enabled(value: bool) -> None:
    """Allows the fast path."""
    _fastpath[0] = bool(value)
