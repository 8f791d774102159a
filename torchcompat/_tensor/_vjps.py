"""The derivative of each recorded op: its `jax.vjp`, compiled once and kept with the op's row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from torchcompat import _dtype
from torchcompat._ops._common import conjugate
from torchcompat._ops._registry import MIXED, Row
from torchcompat._tensor import _dispatch
from torchcompat._tensor._nodes import Node
from torchcompat._tensor._saving import ABSENT, unpacked
from torchcompat._tensor._tensor import Tensor, as_array


def apply(node: Node, held: dict[int, Any], need: list[bool], create_graph: bool) -> list[Any]:
    """The gradients of a node's inputs from those of its outputs.

    Args:
        held: by output number, the gradients at hand: Tensors under `create_graph`, else arrays.
        need: for each Tensor argument, whether its gradient is asked for.
    """
    given = [i for i, _, _ in node.outputs if i in held]
    cotangents = [_as_made(held[i], kind) for i, _, kind in node.outputs if i in held]
    if node.pull is not None and not create_graph:
        found = node.pull(dict(zip(given, cotangents)))
        return [gradient if needed else None for gradient, needed in zip(found, need)]
    leaves = node.saved() if create_graph else unpacked(node)
    absent = []
    present = []
    for i, x in enumerate(leaves):
        if isinstance(x, ABSENT):
            absent.append((i, x.shape, x.dtype))
        else:
            present.append(x)
    places = [p for p, needed in zip(node.positions, need) if needed]
    row = _row(node, tuple(places), tuple(given), tuple(absent), len(leaves))
    if create_graph:
        present = _connected(row, present, cotangents)
        found = _dispatch.call(row, (present, cotangents))
    else:
        function = row.jitted.get("flat")
        if function is None:
            function = row.jitted["flat"] = jax.jit(_flat(row.fn, len(present)))
        found = function(*present, *cotangents)
    gradients = iter(found)
    return [next(gradients) if needed else None for needed in need]


def _connected(row: Row, present: list, cotangents: list) -> list:
    """The leaves, those cut off from the graph that the derivative does not depend on.

    So the second derivative of `a * x` by `x` is None, as in torch, and no zeros.
    """
    arrays = [*map(as_array, present), *map(as_array, cotangents)]
    key = ("depends", *((x.shape, x.dtype) if hasattr(x, "shape") else type(x) for x in arrays))
    used: Any = row.jitted.get(key)
    if used is None:
        traced = jax.make_jaxpr(_flat(row.fn, len(present)))(*arrays).jaxpr
        used = row.jitted[key] = dce_jaxpr(traced, [True] * len(traced.outvars))[1]
    flags = iter(used)
    kept = [x is None or next(flags) for x in present]
    return [x if one or not isinstance(x, Tensor) else x.detach() for x, one in zip(present, kept)]


def _as_made(gradient: Any, kind: Any) -> Any:
    """A gradient in the type of the result that it belongs to; a hook may have changed it."""
    if isinstance(gradient, Tensor):
        same = gradient._cell.value.dtype == kind
        return gradient if same else gradient.to(_dtype.from_numpy(kind))
    return gradient if gradient.dtype == kind else gradient.astype(kind)


def _flat(function: Callable, count: int) -> Callable:
    return lambda *arrays: function(arrays[:count], arrays[count:])


def _row(node: Node, need: tuple, given: tuple, absent: tuple, count: int) -> Row:
    """The row of the op that computes a node's vjp; kept with the row of the op itself."""
    static = node.static
    key = ("vjp", need, given, absent, count, node.structure, *static, *map(type, static))
    found = node.row.jitted.get(key)
    if found is None:
        pullback = _pullback(
            _dispatch.pure(node.row, static), node.structure, need, given, absent, count
        )
        found = node.row.jitted[key] = Row(
            name=f"{node.row.name}_vjp",
            fn=pullback,
            names=("leaves", "cotangents"),
            kinds=(MIXED, MIXED),
            grad_name=f"{node.name().removesuffix('0').removesuffix('Backward')}Backward0",
        )
    return found


def _pullback(
    function: Callable, structure: Any, need: tuple, given: tuple, absent: tuple, count: int
) -> Callable:
    """The vjp as a function of the present leaves and the cotangents of the given outputs."""
    missing = {i: (shape, kind) for i, shape, kind in absent}

    def pullback(present: Sequence, cotangents: Sequence) -> tuple:
        rest = iter(present)
        # The derivative does not depend on values that were not kept: XLA drops these.
        leaves = [jnp.zeros(*missing[i]) if i in missing else next(rest) for i in range(count)]

        forward = of_changing(function, leaves, structure, need, given)
        backward = jax.vjp(forward, *(leaves[i] for i in need))[1]
        # torch's gradients of complex tensors are the conjugates of JAX's.
        return tuple(map(conjugate, backward(tuple(map(conjugate, cotangents)))))

    return pullback


def of_changing(
    function: Callable, leaves: Sequence, structure: Any, places: Sequence, given: Sequence
) -> Callable:
    """An op as a function of some of its arguments, the others held fixed.

    Args:
        leaves: all of its traced arguments, nested as `structure` has it (None: not nested).
        places: which of them the function takes.
        given: numbers of the results that it gives.
    """

    def forward(*changing: Any) -> tuple:
        values = list(leaves)
        for position, value in zip(places, changing):
            values[position] = value
        arguments = values if structure is None else jax.tree.unflatten(structure, values)
        out = function(*arguments)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        return tuple(outs[i] for i in given)

    return forward
