"""Pure functions on `jax.Array` with torch's names and meaning, one file a family."""

from torchcompat._ops import elementwise, shape

__all__ = ["elementwise", "shape"]
