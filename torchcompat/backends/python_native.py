"""`torch.backends.python_native`: languages that torch's kernels are written in from Python; none here."""

from __future__ import annotations

__all__ = ["all_dsls", "available_dsls"]

all_dsls: list[str] = []
available_dsls: list[str] = []
