"""Where lists of tensors are updated in one call: everywhere, as XLA compiles it."""

from __future__ import annotations

__all__: list[str] = []

_DEVICES = ["cpu", "cuda", "xpu", "mtia"]


def _get_foreach_kernels_supported_devices() -> list[str]:
    return list(_DEVICES)


def _get_fused_kernels_supported_devices() -> list[str]:
    return list(_DEVICES)
