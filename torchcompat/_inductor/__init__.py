"""`torch._inductor`: torch's code generator; XLA takes its place and has no modes."""

from __future__ import annotations

from typing import Any

from torchcompat._absent import fill
from torchcompat._inductor import config

__all__ = ["config", "list_mode_options", "list_options"]


def list_mode_options(mode: str | None = None, dynamic: bool | None = None) -> dict[str, Any]:
    """The settings behind each mode of `torch.compile`: none."""
    modes = "default reduce-overhead max-autotune-no-cudagraphs max-autotune".split()
    return {} if mode is not None else {name: {} for name in modes}


def list_options() -> list[str]:
    """The settings there are: none."""
    return []


fill(globals(), "XLA compiles", functions="compile aot_compile compile_fx")
