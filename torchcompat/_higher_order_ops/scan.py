"""`scan`: a loop over slices that carries values along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._higher_order_ops._regions import tensor_leaves
from torchcompat._tensor import ops
from torchcompat.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["scan"]


def scan(
    combine_fn: Callable, init: Any, xs: Any, *, dim: int = 0, reverse: bool = False
) -> tuple[Any, Any]:
    """`carry, y = combine_fn(carry, x)` for each slice `x` of `xs` along `dim`.

    The loop is unrolled, so that everything in it can be differentiated.

    Args:
        init: the first carry, Tensors nested.
        xs: Tensors nested, of one size along `dim`.
        reverse: goes from the last slice to the first.

    Returns:
        The last carry, and the `y`s, stacked along a new first dimension in the order of `xs`.
    """
    if not callable(combine_fn):
        raise RuntimeError(f"Combine_fn must be a callable, but got {combine_fn}")
    leaves, spec = tensor_leaves(xs, "All xs leaves must be a Tensor")
    tensor_leaves(init, "All init leaves must be a Tensor")
    slices = list(zip(*(x.unbind(dim) for x in leaves)))
    outputs, carry, shape = [], init, None
    for one in reversed(slices) if reverse else slices:
        carry, y = combine_fn(carry, tree_unflatten(list(one), spec))
        flat, shape = tree_flatten(y)
        outputs.append(flat)
    if shape is None:
        raise RuntimeError(f"scan() operator requires a positive size along dim {dim}")
    if reverse:
        outputs.reverse()
    return carry, tree_unflatten([ops.stack(ys) for ys in zip(*outputs)], shape)
