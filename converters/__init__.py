"""Weights and models between torch, torchcompat, Flax and files."""

from converters._objects import from_torch, to_torch
from converters._optimizers import from_optax, to_optax

__all__ = ["from_optax", "from_torch", "to_optax", "to_torch"]
