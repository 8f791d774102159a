"""`torch._logging.scribe`: telemetry, which goes nowhere."""

from __future__ import annotations

from typing import Any

__all__ = ["open_source_signpost"]


def open_source_signpost(subsystem: str, name: str, parameters: Any = None) -> None:
    """Nothing is sent."""
