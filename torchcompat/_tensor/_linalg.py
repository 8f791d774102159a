"""Linear algebra written over the ops: Einstein sums."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted

__all__ = ["chain_matmul", "einsum"]


def einsum(*args: Any) -> Any:
    """The sums of products that an equation names: `einsum("ij,jk->ik", a, b)`.

    The form `einsum(a, [0, 1], b, [1, 2], [0, 2])` numbers the dimensions instead.
    """
    if isinstance(args[0], str):
        equation, operands = args[0], args[1:]
    else:
        equation, operands = _from_sublists(args)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError("einsum(): must provide at least one operand")
    return ops._einsum(equation, tuple(operands))


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _term(sublist: Any) -> str:
    return "".join("..." if n is Ellipsis else _LETTERS[n] for n in sublist)


def _from_sublists(args: tuple) -> tuple[str, tuple]:
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    terms = ",".join(_term(sublist) for sublist in args[1::2])
    tail = f"->{_term(args[-1])}" if len(args) % 2 else ""
    return terms + tail, args[: len(args) // 2 * 2 : 2]


@lifted
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of matrices, in the cheapest order."""
    if len(matrices) == 1:
        return matrices[0]
    return ops.linalg_multi_dot(matrices)
