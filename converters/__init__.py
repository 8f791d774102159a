"""Weights and models between torch, torchcompat, Flax and files."""

from converters._objects import from_torch, to_torch

__all__ = ["from_torch", "to_torch"]
