"""`torch.backends.cpu`: what the processor can do."""

from __future__ import annotations

import functools
import pathlib
import platform

__all__ = ["get_cpu_capability"]


@functools.cache
def get_cpu_capability() -> str:
    """The widest vector instructions that torch tells apart: "AVX512", "AVX2", "NO AVX", "DEFAULT"."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "DEFAULT"
    try:
        words = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "DEFAULT"
    if {"avx512vl", "avx512bw", "avx512dq", "fma"} <= words:
        return "AVX512"
    return "AVX2" if {"avx2", "fma"} <= words else "NO AVX"
