"""Weights and models between torch, torchcompat, Flax and files."""

from converters._flax import from_flax, to_flax, wrap
from converters._objects import from_torch, to_torch
from converters._optimizers import from_optax, to_optax

__all__ = ["from_flax", "from_optax", "from_torch", "to_flax", "to_optax", "to_torch", "wrap"]
