"""`torch.backends.cudnn`. XLA chooses cuDNN's algorithms itself: the settings are kept and not read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torchcompat.backends._settings import setting, settle

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True
fp32_precision = "none"
depthwise_kernel = "auto"


def is_available() -> bool:
    """False: XLA has its own cuDNN, which cannot be asked."""
    return False


def version() -> int | None:
    """None: XLA has its own cuDNN, which cannot be asked."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """False: operations do not choose between cuDNN and others."""
    return False


def set_flags(
    _enabled: bool | None = None,
    _benchmark: bool | None = None,
    _benchmark_limit: int | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str = "none",
    _depthwise_kernel: str = "auto",
) -> tuple:
    """Sets those that are not None; returns all former ones."""
    names = "enabled benchmark benchmark_limit deterministic allow_tf32 fp32_precision".split()
    values = _enabled, _benchmark, _benchmark_limit, _deterministic, _allow_tf32, _fp32_precision
    former = tuple(getattr(_module, name) for name in names)
    for name, value in zip(names, values):
        if value is not None:
            setattr(_module, name, value)
    return former


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
    depthwise_kernel: str = "auto",
) -> Iterator[None]:
    """Sets all inside a `with` block."""
    changes = {
        "enabled": enabled,
        "benchmark": benchmark,
        "benchmark_limit": benchmark_limit,
        "deterministic": deterministic,
        "allow_tf32": allow_tf32,
        "fp32_precision": fp32_precision,
    }
    with setting(_module, changes):
        yield


_module = settle(__name__)
