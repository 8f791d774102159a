"""`associative_scan`: running combinations by an associative function, in parallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._higher_order_ops._regions import tensor_leaves
from torchcompat._tensor import Tensor, ops
from torchcompat.func import vmap
from torchcompat.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["associative_scan"]


def associative_scan(
    combine_fn: Callable,
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """`y[i] = combine_fn(y[i - 1], x[i])` along `dim`, in about 2 log2(n) steps.

    Args:
        combine_fn: associative, of two slices that nest as `xs` does.
        xs: Tensors, nested, of one size along `dim`.
        reverse: scans from the end.
        combine_mode: "pointwise" functions take many slices at once; "generic" ones see each by
            itself. torch has the former on GPUs only.

    Source: Blelloch, Prefix Sums and Their Applications, 1990.
    """
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(
            f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}"
        )
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    leaves, spec = tensor_leaves(xs, "xs leaves must be Tensors")
    if not leaves:
        raise ValueError("Expected at least 1 xs leaf")
    over_slices = vmap(combine_fn) if combine_mode == "generic" else combine_fn

    def combine(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        return tree_flatten(over_slices(tree_unflatten(a, spec), tree_unflatten(b, spec)))[0]

    found = _scan(combine, [_turned(x.movedim(dim, 0), reverse) for x in leaves])
    return tree_unflatten([_turned(x, reverse).movedim(0, dim) for x in found], spec)


def _turned(x: Tensor, reverse: bool) -> Tensor:
    return x.flip(0) if reverse else x


def _scan(combine: Callable, xs: list[Tensor]) -> list[Tensor]:
    """Scans pairs of neighbours, then fills in the places between."""
    n = xs[0].shape[0]
    if n < 2:
        return xs
    odd = _scan(combine, combine([x[:-1:2] for x in xs], [x[1::2] for x in xs]))
    even = [x[:1] for x in xs]
    if n > 2:
        between = combine([x[: (n - 1) // 2] for x in odd], [x[2::2] for x in xs])
        even = [ops.cat(pair) for pair in zip(even, between)]
    return [_alternating(a, b) for a, b in zip(even, odd)]


def _alternating(even: Tensor, odd: Tensor) -> Tensor:
    pairs = ops.stack([even[: len(odd)], odd], 1).flatten(0, 1)
    return ops.cat([pairs, even[len(odd) :]])
