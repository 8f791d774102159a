"""The command `torchcompat`."""

from converters._cli._main import entry, main

__all__ = ["entry", "main"]
