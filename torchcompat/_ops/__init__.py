"""Pure functions on `jax.Array` with torch's names and meaning, one file a family."""

from torchcompat._ops import (
    activation,
    arithmetic,
    bitwise,
    comparison,
    embedding,
    linear,
    norm,
    shape,
    special,
    unary,
)

__all__ = [
    "activation",
    "arithmetic",
    "bitwise",
    "comparison",
    "embedding",
    "linear",
    "norm",
    "shape",
    "special",
    "unary",
]
