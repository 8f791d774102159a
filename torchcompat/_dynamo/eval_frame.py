"""Names that third parties take from here."""

from torchcompat._compile._api import OptimizedModule
from torchcompat.compiler import disable, is_compiling

__all__ = ["OptimizedModule", "disable", "is_compiling"]
