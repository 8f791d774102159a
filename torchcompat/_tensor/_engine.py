"""The backward pass: walks the recorded nodes from the roots and applies each op's compiled vjp.

A node is run once all nodes that use its outputs have run, the latest made first. Gradients travel as
bare arrays; under `create_graph` they travel as Tensors and the pass is recorded itself: the vjp of an op
is one more op with a row of its own.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._tensor import _anomaly, _vjps
from torchcompat._tensor._autograd import set_grad_enabled
from torchcompat._tensor._hook_results import replaced, replaced_each
from torchcompat._tensor._nodes import Accumulate, Edge, GraphNode, Node, edge_of, run_hook
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Size, Tensor, wrap

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they "
    "have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)
Root = tuple[Edge, Tensor]
_numbers = itertools.count()
_sum = jax.jit(operator.add)
_enable_x64 = jax.enable_x64


class _Pass:
    """One backward pass.

    Args:
        roots: edges that the pass starts from, with their gradients.
        wanted: edges whose gradients are asked for; None accumulates into the leaves instead.
        accumulating: accumulate into the wanted leaves, too.

    Attributes:
        finals: what is called when the pass has ended.
        number: which pass of the process it is.
        node: the node that is being run.
        ready: a heap of the nodes that can be run.
        waiting: how many edges within the graph lead to each node and have not been passed.
        useful: the nodes that lead to what is wanted; None if all do.
    """

    def __init__(
        self,
        roots: list[Root],
        retain_graph: bool,
        create_graph: bool,
        wanted: list[Edge] | None,
        accumulating: bool = False,
    ) -> None:
        self.accumulating = accumulating or wanted is None
        self.retain_graph = retain_graph
        self.create_graph = create_graph
        self.outer_x64 = jax.config.jax_enable_x64  # type: ignore[attr-defined]
        self.wanted: Any = None if wanted is None else dict.fromkeys(wanted)
        self.gradients: dict[Any, dict[int, Any]] = {}
        self.finals: list[Callable] = []
        self.number = next(_numbers)
        self.node: Any = None
        self.ready: list = []
        self.waiting = _count_uses([edge.node for edge, _ in roots])
        self.useful: Any = None if wanted is None else _leading_to(self.waiting, wanted)
        for edge, gradient in roots:
            self.add(edge, gradient if create_graph else gradient._read())

    def add(self, edge: Edge, gradient: Any) -> None:
        """One more gradient for an output of a node."""
        held = self.gradients.get(edge.node)
        if held is None:
            self.gradients[edge.node] = {edge.output: gradient}
            return
        before = held.get(edge.output)
        if before is not None:
            gradient = before + gradient if self.create_graph else _sum(before, gradient)
        held[edge.output] = gradient

    def run(self) -> None:
        before, state.backward_pass = state.backward_pass, self
        try:
            self._run()
        finally:
            try:
                for final in self.finals:  # which may add more
                    final()
            finally:
                state.backward_pass = before

    @property
    def reached(self) -> Any:
        """The nodes that the pass goes through, those whose gradients are wanted among them."""
        if self.useful is None:
            return self.waiting
        return self.useful | {edge.node for edge in self.wanted}

    def _run(self) -> None:
        self.ready = [_placed_in_line(n) for n, uses in self.waiting.items() if not uses]
        heapq.heapify(self.ready)
        with set_grad_enabled(self.create_graph), _enable_x64(True):
            for node in _in_order(self.ready, self.waiting):
                self._visit(node)

    def _visit(self, node: Any) -> None:
        held = self.gradients.pop(node, None)
        if held is None:
            return
        self.node = node
        if node.extra is not None:
            self._through_hooks(node, held)
        if self.wanted is not None:
            for output, gradient in held.items():
                edge = Edge(node, output)
                if edge in self.wanted:
                    self.wanted[edge] = self.boxed(gradient)
            if node not in self.useful and not isinstance(node, Accumulate):
                self._only_shown(node, held)
                return
        if type(node) is Accumulate:
            if self.accumulating and (self.wanted is None or Edge(node, 0) in self.wanted):
                self._accumulate(node, held[0])
            return
        for edge, gradient in zip(node.edges, self._through(node, held)):
            if edge is not None and gradient is not None:
                self.add(edge, gradient)

    def _only_shown(self, node: Any, held: dict[int, Any]) -> None:
        """Has the hooks before a node that is not run see its gradients, as torch does."""
        if node.extra is not None and node.extra.before:
            count = 1 + max(i for i, *_ in node.outputs)
            self._before(node.extra, tuple(held.get(i) for i in range(count)))

    def order(self) -> list[Any]:
        """The nodes that the pass runs from here on, in order; the one being run comes first."""
        ready = [_placed_in_line(self.node), *self.ready]
        heapq.heapify(ready)
        reached = self.reached
        return [node for node in _in_order(ready, dict(self.waiting)) if node in reached]

    def needs(self, edge: Edge | None) -> bool:
        """Whether the gradient along an edge is asked for."""
        if edge is None or self.useful is None:
            return edge is not None
        return edge.node in self.useful or edge in self.wanted

    # -- hooks see Tensors --------------------------------------------------------------------------

    def user(self, hook: Callable, *args: Any) -> Any:
        """Calls a hook under the 64-bit setting that its author sees."""
        with _enable_x64(self.outer_x64):
            return run_hook(hook, *args)

    def boxed(self, gradient: Any) -> Any:
        return wrap(gradient) if isinstance(gradient, jax.Array) else gradient

    def bare(self, gradient: Any) -> Any:
        if isinstance(gradient, Tensor) and not self.create_graph:
            return gradient._read()
        return gradient

    def _through_hooks(self, node: GraphNode, held: dict[int, Any]) -> None:
        extra: Any = node.extra
        for output, gradient in held.items():
            hooks, keeper = extra.hooks.get(output), extra.keepers.get(output)
            if hooks or keeper:
                box = self.boxed(gradient)
                for hook in list((hooks or {}).values()):
                    box = replaced(hook, self.user(hook, box), box)
                if keeper:
                    keeper(box)
                held[output] = self.bare(box)
        for output in extra.hooks.keys() - held.keys():
            for hook in list(extra.hooks[output].values()):
                self.user(hook, None)

    def _accumulate(self, node: Accumulate, gradient: Any) -> None:
        extra = node.extra
        if extra is not None and extra.before:
            (gradient,) = self._before(extra, (gradient,))
        box, first = self.boxed(gradient), node.variable._grad is None
        node.accumulate(box, keep_graph=self.create_graph)
        if first:  # as in torch, the first gradient is the leaf's `.grad` itself from here on
            box = node.variable._grad
        for hook in list(node.finished.values()):
            if self.user(hook, node.variable) is not None:
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")
        if extra is not None:
            for hook in list(extra.after.values()):
                replaced_each(hook, self.user(hook, (), (box,)), ())

    def _before(self, extra: Any, given: tuple) -> tuple:
        boxes = tuple(map(self.boxed, given))
        for hook in list(extra.before.values()):
            boxes = replaced_each(hook, self.user(hook, boxes), boxes)
        return tuple(map(self.bare, boxes))

    def _through(self, node: Any, held: dict[int, Any]) -> Sequence[Any]:
        """The gradients of the node's inputs, with what is hung before and after it."""
        extra = node.extra
        if extra is None or not (extra.before or extra.after):
            return self._apply(node, held)
        count = 1 + max(i for i, _, _ in node.outputs)
        given = tuple(held.get(i) for i in range(count))
        if extra.before:
            given = self._before(extra, given)
        found = self._apply(node, {i: g for i, g in enumerate(given) if g is not None})
        boxes, given = tuple(map(self.boxed, found)), tuple(map(self.boxed, given))
        for hook in list(extra.after.values()):
            boxes = replaced_each(hook, self.user(hook, boxes, given), boxes)
        return list(map(self.bare, boxes))

    # -- the op's derivative -----------------------------------------------------------------------

    def _apply(self, node: Any, held: dict[int, Any]) -> Sequence[Any]:
        if node.freed:
            raise RuntimeError(FREED)
        if state.anomaly is None:
            return self._derivative(node, held)
        with _anomaly.explaining(node):
            found = self._derivative(node, held)
            _anomaly.check(node, [self.boxed(g) for g in found])
            return found

    def _derivative(self, node: Any, held: dict[int, Any]) -> Sequence[Any]:
        if not isinstance(node, Node):
            with _enable_x64(self.outer_x64):
                return [self.bare(g) for g in node.run(self, held)]
        need = [self.needs(edge) for edge in node.edges]
        if not held or not any(need):
            return [None] * len(need)
        found = _vjps.apply(node, held, need, self.create_graph)
        if not self.retain_graph:
            node.release()
        return found


def _placed_in_line(node: Any) -> tuple:
    """A ready node with what it is ordered by: the latest made is run first."""
    return -node.serial, id(node), node


def _in_order(ready: list, waiting: dict[Any, int]) -> Iterator[Any]:
    """The nodes of a graph, each after all that use its outputs.

    Args:
        ready: a heap of those that nothing uses.
        waiting: how many edges lead to each of the others; it is counted down.
    """
    while ready:
        *_, node = heapq.heappop(ready)
        yield node
        for edge in node.edges:
            if edge is None:
                continue
            waiting[edge.node] -= 1
            if not waiting[edge.node]:
                heapq.heappush(ready, _placed_in_line(edge.node))


def _count_uses(nodes: list[Any]) -> dict[Any, int]:
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


def _leading_to(nodes: dict[Any, int], wanted: list[Edge]) -> set[Any]:
    """The nodes with an input on the way to a wanted edge."""
    users: dict[Any, list] = {}
    found: set[Any] = set()
    targets = set(wanted)
    for node in nodes:
        for edge in node.edges:
            if edge is not None:
                users.setdefault(edge.node, []).append(node)
                if edge in targets:
                    found.add(node)
    stack = list(found)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in found:
                found.add(user)
                stack.append(user)
    return found


def placed(x: Any) -> tuple[Edge | None, Size, _dtype.dtype]:
    """Where a Tensor or a `GradientEdge` stands in the graph, and its shape and type."""
    if isinstance(x, Tensor):
        return edge_of(x), x.shape, x.dtype
    forms = {i: (Size(shape), _dtype.from_numpy(kind)) for i, shape, kind in x.node.outputs}
    return Edge(x.node, x.output_nr), *forms[x.output_nr]


def _root(x: Any, gradient: Any, number: int) -> Root:
    edge, shape, kind = placed(x)
    if edge is None:
        raise RuntimeError(
            f"element {number} of tensors does not require grad and does not have a grad_fn"
        )
    if gradient is None:
        return edge, _one(shape, kind)
    if gradient.shape != shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{number}] has a shape of {gradient.shape} and "
            f"output[{number}] has a shape of {shape}."
        )
    if gradient.dtype.is_complex != kind.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{number}] has a dtype of {gradient.dtype} and "
            f"output[{number}] has a dtype of {kind}."
        )
    return edge, gradient if gradient.dtype is kind else gradient.to(kind)


def _one(shape: Size, kind: _dtype.dtype) -> Tensor:
    if shape.numel() != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    if not kind.is_floating_point:
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {kind}"
        )
    with _enable_x64(True):
        return wrap(_ones(shape, kind.numpy))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _ones(shape: tuple, kind: Any) -> jax.Array:
    return jnp.ones(shape, kind)


def roots(outputs: Sequence[Any], gradients: Sequence[Any]) -> list[Root]:
    """Where a pass from `outputs` (Tensors or `GradientEdge`s) starts, with the gradients there.

    Raises:
        RuntimeError: an output needs no gradient, or one that is no number has none given.
    """
    return [_root(x, g, i) for i, (x, g) in enumerate(zip(outputs, gradients))]


def run(
    roots: list[Root],
    retain_graph: bool,
    create_graph: bool,
    wanted: list[Edge] | None = None,
    accumulating: bool = False,
) -> list[Tensor | None]:
    """One backward pass from `roots`.

    Args:
        wanted: edges whose gradients are returned, in order; None accumulates into the leaves.
        accumulating: accumulate into the wanted leaves, too.
    """
    one = _Pass(roots, retain_graph, create_graph, wanted, accumulating)
    one.run()
    return [] if wanted is None else [one.wanted[edge] for edge in wanted]


def call(node: GraphNode, *gradients: Tensor | None) -> Any:
    """The derivative of one node by itself: `y.grad_fn(gradient)`. It is recorded if recording is on.

    Returns:
        The gradient of the node's input, or a tuple of several.

    Raises:
        TypeError: there are not as many gradients as the node has outputs.
    """
    count = 1 + max((i for i, *_ in node.outputs), default=0)
    if len(gradients) != count:
        raise TypeError(f"expected {count} arguments, got {len(gradients)} instead")
    if isinstance(node, Accumulate):
        return node.accumulate(gradients[0], state.grad_enabled)
    one = _Pass([], True, state.grad_enabled, None)
    held = {i: one.bare(g) for i, g in enumerate(gradients) if g is not None}
    with _enable_x64(True):
        found = tuple(map(one.boxed, one._apply(node, held)))
    return found[0] if len(found) == 1 else found


GraphNode.__call__ = call  # type: ignore[operator]
