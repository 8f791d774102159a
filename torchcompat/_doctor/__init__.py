"""`doctor`: which torch names, methods and arguments of some source torchcompat lacks, without running it."""

from torchcompat._doctor._command import main
from torchcompat._doctor._reader import Finding, read

__all__ = ["Finding", "main", "read"]
