"""Utilities that are not layers."""

from torchcompat.utils import hooks

__all__ = ["hooks"]
