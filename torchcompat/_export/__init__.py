"""`torch._export`: names for imports."""

from torchcompat._export import wrappers

__all__ = ["wrappers"]
