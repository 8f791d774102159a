"""`torch.backends.mkldnn`: XLA decides what oneDNN does; the settings are kept and not read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torchcompat.backends._settings import setting, settle

enabled = True
deterministic = False
allow_tf32 = True
fp32_precision = "none"


def is_available() -> bool:
    """False: tensors have no oneDNN layout here."""
    return False


def is_acl_available() -> bool:
    """False."""
    return False


@contextmanager
def flags(
    enabled: bool = False,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> Iterator[None]:
    """Sets all inside a `with` block."""
    changes = {"enabled": enabled, "deterministic": deterministic, "allow_tf32": allow_tf32}
    with setting(_module, changes):
        yield


_module = settle(__name__)
