"""Functions of Tensors as functions of arrays, for JAX's own control flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torchcompat._tensor import Tensor, as_array, wrap
from torchcompat._tensor._nodes import Accumulate
from torchcompat._tensor._state import sequence
from torchcompat.utils._pytree import PyTree, TreeSpec, tree_flatten, tree_unflatten


class Region:
    """A user's function, to be run inside `lax.cond` or `lax.while_loop`.

    Args:
        title: the op's name in errors.
        function: of Tensors nested as `spec` says.
        closures: Tensors from outside whose arrays come after the function's own.

    Attributes:
        result: how the result nests; known once the region has run.
    """

    def __init__(self, title: str, function: Callable, spec: TreeSpec, closures: list[Tensor]):
        self.title, self.function, self.spec, self.closures = title, function, spec, closures
        self.result: TreeSpec | None = None

    def __call__(self, arrays: tuple) -> tuple:
        own = arrays[: len(arrays) - len(self.closures)]
        outside = [(t._cell, t._cell.value) for t in self.closures]
        boxes = [wrap(a) for a in own]
        try:
            for (cell, _), value in zip(outside, arrays[len(own) :]):
                cell.value = value
            found, self.result = tree_flatten(self.function(*tree_unflatten(boxes, self.spec)))
            out = tuple(map(as_array, found))
        finally:
            for cell, value in outside:
                cell.value = value
        if any(box._cell.value is not a for box, a in zip(boxes, own)):
            raise NotImplementedError(f"{self.title}: an in-place write to an operand")
        return out


def tensor_leaves(operands: PyTree, complaint: str) -> tuple[list[Tensor], TreeSpec]:
    """The Tensors in `operands`.

    Raises:
        RuntimeError: with `complaint`, if there is anything else in it.
    """
    leaves, spec = tree_flatten(operands)
    if not all(isinstance(leaf, Tensor) for leaf in leaves):
        raise RuntimeError(f"{complaint}, but got {operands}.")
    return leaves, spec


def trained_outside(title: str, functions: list[Callable], operands: PyTree) -> list[Tensor]:
    """The leaves, such as parameters, that the functions use and that require a gradient.

    The functions are run once on the operands, and the graph of their results is followed.

    Raises:
        NotImplementedError: they use a tensor that requires a gradient and is no leaf.
    """
    start = sequence()
    found: dict[int, Tensor] = {}
    detached = [x.detach() for x in tree_flatten(operands)[0]]
    arguments = tree_unflatten(detached, tree_flatten(operands)[1])
    for function in functions:
        leaves, _ = tree_flatten(function(*arguments))
        for node in _nodes([x for x in leaves if isinstance(x, Tensor)]):
            if isinstance(node, Accumulate):
                found[id(node.variable)] = node.variable
            elif node.serial < start:
                raise NotImplementedError(
                    f"{title}: a function that captures a tensor which requires grad and is no "
                    "leaf; pass it among the operands"
                )
    return list(found.values())


def _nodes(results: list[Tensor]) -> Iterator[Any]:
    stack = [x._grad_fn for x in results if x._grad_fn is not None]
    seen = set(stack)
    while stack:
        node = stack.pop()
        yield node
        found = {edge.node for edge in node.edges if edge is not None} - seen
        seen |= found
        stack.extend(found)
