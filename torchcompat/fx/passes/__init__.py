"""Passes over graphs."""

from torchcompat.fx.passes import shape_prop as shape_prop
