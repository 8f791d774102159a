"""The derivatives of `torch.func` under functorch's module name."""

from __future__ import annotations

from typing import Any

from torchcompat.func import (
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
    vmap,
)
from torchcompat.func._derivatives import places_of

__all__ = [
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
    "vmap",
]


def _slice_argnums(args: tuple, argnums: int | tuple[int, ...], as_tuple: bool = True) -> Any:
    """The arguments that `argnums` names.

    Args:
        as_tuple: give a single one in a tuple, too.
    """
    found = tuple(args[place] for place in places_of(args, argnums))
    return found if as_tuple or not isinstance(argnums, int) else found[0]
