"""The backward pass: walks the recorded nodes from the roots and applies each op's compiled vjp.

A node is run once all nodes that use its outputs have run, the latest made first. Gradients travel as
Tensors, so that hooks see them and, under `create_graph`, the pass is recorded itself: the vjp of an op
is one more op with a row of its own.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat._ops._registry import MIXED, Row
from torchcompat._tensor import _dispatch
from torchcompat._tensor._autograd import set_grad_enabled
from torchcompat._tensor._graph import Accumulate, Edge, Node, edge_of, run_hook
from torchcompat._tensor._tensor import Tensor, wrap

_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they "
    "have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


class _Pass:
    """One backward pass.

    Args:
        roots: edges that the pass starts from, with their gradients.
        wanted: edges whose gradients are asked for; None accumulates into the leaves instead.
    """

    def __init__(
        self,
        roots: list[tuple[Edge, Tensor]],
        retain_graph: bool,
        create_graph: bool,
        wanted: list[Edge] | None,
    ) -> None:
        self.retain_graph = retain_graph
        self.create_graph = create_graph
        self.wanted: Any = None if wanted is None else dict.fromkeys(wanted)
        self.gradients: dict[Any, dict[int, Tensor]] = {}
        self.waiting = self._count_uses([edge.node for edge, _ in roots])
        for edge, gradient in roots:
            self._add(edge, gradient)

    def _count_uses(self, nodes: list[Any]) -> dict[Any, int]:
        """How many edges within the graph lead to each node."""
        uses: dict[Any, int] = dict.fromkeys(nodes, 0)
        stack = list(uses)
        while stack:
            for edge in stack.pop().edges:
                if edge is None:
                    continue
                if edge.node not in uses:
                    uses[edge.node] = 0
                    stack.append(edge.node)
                uses[edge.node] += 1
        return uses

    def _add(self, edge: Edge, gradient: Tensor) -> None:
        held = self.gradients.setdefault(edge.node, {})
        before = held.get(edge.output)
        held[edge.output] = gradient if before is None else before + gradient

    def run(self) -> None:
        ready = [(-n.serial, id(n), n) for n, uses in self.waiting.items() if not uses]
        heapq.heapify(ready)
        with set_grad_enabled(self.create_graph):
            while ready:
                *_, node = heapq.heappop(ready)
                self._visit(node)
                for edge in node.edges:
                    if edge is None:
                        continue
                    self.waiting[edge.node] -= 1
                    if not self.waiting[edge.node]:
                        heapq.heappush(ready, (-edge.node.serial, id(edge.node), edge.node))

    def _visit(self, node: Any) -> None:
        held = self.gradients.pop(node, None)
        if held is None:
            return
        for output, hooks in node.hooks.items():
            if output in held:
                held[output] = _through_hooks(hooks, held[output])
        if self.wanted is not None:
            for output, gradient in held.items():
                edge = Edge(node, output)
                if edge in self.wanted:
                    self.wanted[edge] = gradient
        if isinstance(node, Accumulate):
            if self.wanted is None:
                node.accumulate(held[0], keep_graph=self.create_graph)
            return
        for edge, gradient in zip(node.edges, self._through(node, held)):
            if edge is not None and gradient is not None:
                self._add(edge, gradient)

    def _through(self, node: Node, held: dict[int, Tensor]) -> list[Tensor | None]:
        """The gradients of the node's inputs, with what is hung before and after it."""
        if not (node.before or node.after):
            return _apply_vjp(node, held, self)
        count = 1 + max(i for i, _, _ in node.outputs)
        given = tuple(held.get(i) for i in range(count))
        for function in node.before:
            given = function(given)
        held = {i: g for i, g in enumerate(given) if g is not None}
        found = _apply_vjp(node, held, self)
        for function in node.after:
            found = function(tuple(found), given) or found
        return list(found)


def _through_hooks(hooks: dict[int, Callable], gradient: Tensor) -> Tensor:
    for hook in list(hooks.values()):
        result = run_hook(hook, gradient)
        if result is not None:
            gradient = result
    return gradient


def _apply_vjp(node: Node, held: dict[int, Tensor], run: _Pass) -> list[Tensor | None]:
    """The gradients of a node's inputs from those of its outputs (`held`, by output number)."""
    if node.leaves is None:
        raise RuntimeError(_FREED)
    if all(edge is None for edge in node.edges):
        return [None] * len(node.edges)
    cotangents = [held[i] if i in held else _zeros(shape, kind) for i, shape, kind in node.outputs]
    leaves = node.saved() if run.create_graph else node.leaves
    present = [x for x in leaves if not isinstance(x, jax.ShapeDtypeStruct)]
    gradients = iter(_dispatch.call(_vjp_row(node), (present, cotangents)))
    if not run.retain_graph:
        node.release()
    return [next(gradients) if edge is not None else None for edge in node.edges]


def _zeros(shape: tuple[int, ...], kind: Any) -> Tensor:
    with jax.enable_x64(True):
        return wrap(jnp.zeros(shape, kind))


def _vjp_row(node: Node) -> Row:
    """The row of the op that computes a node's vjp; kept with the row of the op itself."""
    need = tuple(node.positions[i] for i, edge in enumerate(node.edges) if edge is not None)
    kept = tuple(i for i, _, _ in node.outputs)
    shapes = tuple(
        (i, x.shape, x.dtype)
        for i, x in enumerate(node.leaves)
        if isinstance(x, jax.ShapeDtypeStruct)
    )
    static = tuple(node.static)
    key = ("vjp", need, kept, shapes, node.structure, *static, *map(type, static))
    found = node.row.jitted.get(key)
    if found is None:
        pullback = _pullback(
            _dispatch.pure(node.row, node.static), node.structure, need, kept, shapes
        )
        found = node.row.jitted[key] = Row(
            name=f"{node.row.name}_vjp",
            fn=pullback,
            names=("leaves", "cotangents"),
            kinds=(MIXED, MIXED),
            grad_name=f"{node.name().removesuffix('0')}Backward0",
        )
    return found


def _pullback(
    function: Callable, structure: Any, need: tuple, kept: tuple, shapes: tuple
) -> Callable:
    """The vjp as a function of the present leaves and the cotangents of the kept outputs."""
    missing = {i: jax.ShapeDtypeStruct(shape, kind) for i, shape, kind in shapes}

    def pullback(present: Sequence, cotangents: Sequence) -> tuple:
        rest = iter(present)
        count = len(present) + len(missing)
        leaves = [missing[i] if i in missing else next(rest) for i in range(count)]

        def forward(*changing: Any) -> tuple:
            values = list(leaves)
            for position, value in zip(need, changing):
                values[position] = value
            out = function(*jax.tree.unflatten(structure, values))
            outs = out if isinstance(out, (tuple, list)) else (out,)
            return tuple(outs[i] for i in kept)

        points = [leaves[i] for i in need]
        backward = (
            jax.linear_transpose(forward, *points) if missing else jax.vjp(forward, *points)[1]
        )
        # torch's gradients of complex tensors are the conjugates of JAX's.
        return tuple(map(_conjugate, backward(tuple(map(_conjugate, cotangents)))))

    return pullback


def _conjugate(x: Any) -> Any:
    return jnp.conj(x) if jnp.iscomplexobj(x) else x


def _root(tensor: Tensor, gradient: Any, number: int) -> tuple[Edge, Tensor]:
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError(
            f"element {number} of tensors does not require grad and does not have a grad_fn"
        )
    if gradient is None:
        if math.prod(tensor.shape) != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        with jax.enable_x64(True):
            gradient = wrap(jnp.ones(tensor.shape, tensor.dtype.numpy))
    elif tuple(gradient.shape) != tuple(tensor.shape):
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{number}] has a shape of {gradient.shape} and "
            f"output[{number}] has a shape of {tensor.shape}."
        )
    return edge, gradient


def run(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any],
    retain_graph: bool,
    create_graph: bool,
    wanted: list[Edge] | None = None,
) -> list[Tensor | None]:
    """One backward pass from `tensors`.

    Args:
        wanted: edges whose gradients are returned, in order; None accumulates into the leaves.
    """
    roots = [_root(t, g, i) for i, (t, g) in enumerate(zip(tensors, gradients))]
    one = _Pass(roots, retain_graph, create_graph, wanted)
    one.run()
    return [] if wanted is None else [one.wanted[edge] for edge in wanted]
