"""`torch.backends.quantized`: there are no kernels for quantized types."""

from __future__ import annotations

from typing import Any

from torchcompat.backends._settings import Settings, settle

engine = "none"
supported_engines: list[str] = ["none"]


class _Checked(Settings):
    """Settings of which only "none" is supported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "engine" and value not in supported_engines:
            raise RuntimeError(f"quantized engine {value} is not supported")
        super().__setattr__(name, value)


settle(__name__, _Checked)
