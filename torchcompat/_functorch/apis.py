"""`vmap` and `grad` under functorch's module names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat.func import grad, grad_and_value, vmap

__all__ = ["chunk_vmap", "grad", "grad_and_value", "vmap"]


def chunk_vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    chunks: int = 2,
) -> Callable:
    """`vmap`; XLA decides how much is computed at once.

    Args:
        chunks: accepted.
    """
    return vmap(func, in_dims, out_dims, randomness)
