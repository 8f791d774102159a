"""Tensor, dispatcher and the recording side of autograd."""

from torchcompat._tensor._cell import Cell
from torchcompat._tensor._tensor import (
    Size,
    Tensor,
    as_array,
    from_cell,
    is_traced,
    register_pytree,
    wrap,
)

__all__ = [
    "Cell",
    "Size",
    "Tensor",
    "as_array",
    "from_cell",
    "is_traced",
    "register_pytree",
    "wrap",
]
