"""Flax models in torch clothes, and values both ways."""

from converters._flax._transfer import from_flax, to_flax
from converters._flax._wrap import wrap

__all__ = ["from_flax", "to_flax", "wrap"]
