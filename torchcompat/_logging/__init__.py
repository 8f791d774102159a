"""`torch._logging`: loggers that Python's own logging configures; nothing is sent anywhere."""

from __future__ import annotations

import functools
import logging
from typing import Any

from torchcompat._logging import scribe

__all__ = ["getArtifactLogger", "scribe", "set_logs", "warning_once"]


def getArtifactLogger(module_qname: str, artifact_name: str) -> logging.Logger:
    """The logger of an artifact of a module."""
    return logging.getLogger(f"{module_qname}.__{artifact_name}")


def set_logs(**levels: Any) -> None:
    """Accepted: there are no artifacts to log, and loggers are set through `logging`."""


@functools.lru_cache(None)
def warning_once(logger: logging.Logger, *args: Any, **kwargs: Any) -> None:
    """`logger.warning`, once for the same arguments."""
    logger.warning(*args, **kwargs)
