"""The recorded graph: a node an op, edges to the nodes that made its inputs."""

from __future__ import annotations

import math
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import numpy as jnp

from torchcompat import _strided
from torchcompat._ops._registry import LIST, STATIC, TRACED, Row
from torchcompat._tensor._cell import traced_here
from torchcompat._tensor._state import serial, state
from torchcompat._tensor._tensor import Tensor, alias, wrap


class Edge(NamedTuple):
    """One output of one node."""

    node: Any
    output: int


class _Hooked:
    """What nodes of both kinds share: hooks on the gradients of their outputs, by output number."""

    __slots__ = ("serial", "hooks", "__weakref__")
    serial: float
    hooks: dict[int, OrderedDict]

    def hooks_of(self, output: int) -> OrderedDict[int, Callable]:
        """The hooks that see, and perhaps replace, the gradient of one output."""
        return self.hooks.setdefault(output, OrderedDict())


class Node(_Hooked):
    """One recorded op.

    Args:
        row: the op.
        arrays: its traced arguments: arrays, numbers, None, and tuples of those. A view keeps only
            the shape and type of its source (`jax.ShapeDtypeStruct`).
        static: its static arguments.
        inputs: the Tensors among its arguments, in order.

    Attributes:
        leaves: `arrays` without nesting; None once they are freed.
        edges: for each Tensor argument where it came from, or None if it needs no gradient.
        positions: for each Tensor argument its place in `leaves`.
        outputs: `(number, shape, dtype)` of each differentiable result.
        before: functions that see, and may replace, the tuple of the outputs' gradients.
        after: functions of the inputs' and the outputs' gradients, which may replace the former.
        ranks: numbers of dimensions of the leaves, where the node's name depends on them.
    """

    __slots__ = ("row", "static", "structure", "leaves", "edges", "positions", "outputs", "ranks")
    __slots__ += ("before", "after")

    def __init__(
        self,
        row: Row,
        arrays: list,
        static: list,
        inputs: list[Tensor],
        positions: list[int] | None = None,
    ) -> None:
        self.serial = serial()
        self.hooks = {}
        self.row, self.static = row, static
        self.leaves, self.structure = jax.tree.flatten(arrays, is_leaf=lambda x: x is None)
        self.edges = [edge_of(t) for t in inputs]
        self.before: list[Callable] = []
        self.after: list[Callable] = []
        self.ranks: tuple = ()
        if callable(row.grad_name):
            self.ranks = tuple(getattr(x, "ndim", 0) for x in self.leaves)
        self.positions = _positions(self.leaves, inputs) if positions is None else positions
        self.outputs: list[tuple[int, tuple, Any]] = []

    def made(self, tensor: Tensor, output: int, shape: tuple, dtype: Any) -> None:
        """Notes that `tensor` is one of this op's results."""
        self.outputs.append((output, shape, dtype))
        tensor._grad_fn, tensor._output_nr, tensor._requires_grad = self, output, True

    def name(self) -> str:
        """The node's name as torch prints it: `ReluBackward0`."""
        name = self.row.grad_name
        return name if isinstance(name, str) else name(*self.ranks)

    @property
    def next_functions(self) -> tuple:
        """For each input, the node that made it and which of its outputs it is, or `(None, 0)`."""
        return tuple((None, 0) if edge is None else tuple(edge) for edge in self.edges)

    @property
    def metadata(self) -> dict:
        """A dictionary for the user's own notes."""
        raise NotImplementedError("metadata of autograd nodes")

    def register_prehook(self, hook: Callable) -> Any:
        raise NotImplementedError("hooks on autograd nodes: use Tensor.register_hook")

    def saved(self) -> list[Any]:
        """The leaves, with Tensors that continue the graph where an input needs a gradient."""
        leaves = list(self.leaves)
        for position, edge in zip(self.positions, self.edges):
            if edge is not None and not isinstance(leaves[position], jax.ShapeDtypeStruct):
                leaves[position] = box = wrap(leaves[position])
                box._grad_fn, box._output_nr, box._requires_grad = *edge, True
        return leaves

    def release(self) -> None:
        """Frees what backward needed."""
        self.leaves = None

    @property
    def freed(self) -> bool:
        """Whether a backward pass has used up what the node kept."""
        return self.leaves is None

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"


def _positions(leaves: list, inputs: list[Tensor]) -> list[int]:
    """Where each Tensor's array stands among the leaves; both are in argument order."""
    positions, at = [], 0
    for tensor in inputs:
        if isinstance(leaves[at], jax.ShapeDtypeStruct):
            positions.append(at)
            continue
        value = tensor._read()
        unkept = traced_here(value, tensor._cell.root.value)
        while leaves[at] is not value and not (unkept and _alike(leaves[at], value)):
            at += 1
        positions.append(at)
        at += 1
    return positions


def _alike(leaf: Any, value: Any) -> bool:
    """For an alias of a storage from outside of a trace: each reading of it is another tracer."""
    return isinstance(leaf, jax.core.Tracer) and leaf.aval == value.aval


def run_hook(hook: Callable, *args: Any) -> Any:
    """Calls a hook, by way of a running `compile`."""
    runner = state.hook_runner
    return hook(*args) if runner is None else runner(hook, *args)


class Accumulate(_Hooked):
    """The end of the graph at a leaf tensor: adds the gradient to its `.grad`."""

    __slots__ = ("variable", "after")
    edges: tuple = ()

    def __init__(self, variable: Tensor) -> None:
        self.serial = float("inf")
        self.hooks = {}
        self.after: OrderedDict[int, Callable] = OrderedDict()
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    next_functions: tuple = ()

    def accumulate(self, gradient: Tensor, keep_graph: bool) -> None:
        """Adds `gradient` to the leaf's `.grad`; then calls the post-accumulation hooks."""
        variable = self.variable
        before = variable.grad
        if before is None:
            variable._grad = gradient if keep_graph else wrap(gradient._read())
        elif keep_graph:
            variable._grad = before + gradient
        else:
            before._write((before + gradient)._read())
        for hook in list(self.after.values()):
            run_hook(hook, variable)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self))}>"


_accumulators: weakref.WeakValueDictionary[int, Accumulate] = weakref.WeakValueDictionary()


def accumulator(leaf: Tensor) -> Accumulate:
    """The one node that stands for a leaf as long as a graph or a hook holds it."""
    found = _accumulators.get(id(leaf))
    if found is None or found.variable is not leaf:
        found = _accumulators[id(leaf)] = Accumulate(leaf)
    return found


def edge_of(tensor: Tensor) -> Edge | None:
    """Where the tensor's gradient goes, or None if it needs none."""
    if not tensor.requires_grad:
        return None
    node = tensor._grad_fn
    return Edge(accumulator(tensor), 0) if node is None else Edge(node, tensor._output_nr)


# -- a marked place in the graph ---------------------------------------------------------------------

_MARK = Row(
    name="mark",
    fn=list,
    names=("tensors",),
    kinds=(LIST,),
    grad_name="BackwardHookFunctionBackward",
)


def marked(tensors: list[Tensor]) -> tuple[list[Tensor], Node | None]:
    """Aliases of `tensors` with one node of their own between them; None where nothing is recorded."""
    if not (state.grad_enabled and any(t.requires_grad for t in tensors)):
        return tensors, None
    node = Node(_MARK, [tuple(t._read() for t in tensors)], [], tensors)
    aliases = [alias(t) for t in tensors]
    for i, (box, tensor) in enumerate(zip(aliases, tensors)):
        if tensor.requires_grad:
            node.made(box, i, tuple(tensor.shape), tensor._cell.value.dtype)
    return aliases, node


# -- views: their place in the graph follows their base ---------------------------------------------


def _unfold_base(base: jax.Array, frame: tuple | None) -> jax.Array:
    """The storage of a base, from its values; `frame` is the storage's size and the base's layout."""
    if frame is None:
        return base
    total, layout = frame
    return _strided.write(jnp.zeros(total, base.dtype), base, layout)


def _alias_of_base(base: jax.Array, frame: tuple | None, layout: Any) -> jax.Array:
    """An alias as a function of its base."""
    return _strided.read(_unfold_base(base, frame), layout)


def _base_with_alias(
    base: jax.Array, value: jax.Array, frame: tuple | None, layout: Any
) -> jax.Array:
    """A base after a write through an alias."""
    storage = _strided.write(_unfold_base(base, frame), value, layout)
    return storage if frame is None else _strided.read(storage, frame[1])


_ALIAS = Row(
    name="alias_of_base",
    fn=_alias_of_base,
    names=("base", "frame", "layout"),
    kinds=(TRACED, STATIC, STATIC),
    grad_name="AsStridedBackward0",
)
_SCATTER = Row(
    name="base_with_alias",
    fn=_base_with_alias,
    names=("base", "value", "frame", "layout"),
    kinds=(TRACED, TRACED, STATIC, STATIC),
    grad_name="torch::autograd::CopySlices",
)


def renew(view: Tensor) -> None:
    """Brings a view's place in the graph up to date after its storage was written to."""
    version = view._cell.version
    if view._graph_version is None or view._graph_version == version:
        return
    view._graph_version = version
    base = view._is_view_of
    if base._requires_grad:
        source = jax.ShapeDtypeStruct(tuple(base.shape), base._cell.value.dtype)
        node = Node(_ALIAS, [source], _within(view, base), [base])  # type: ignore[list-item]
        node.made(view, 0, tuple(view.shape), source.dtype)


def _within(view: Tensor, base: Tensor) -> list:
    """The base's frame in its storage (None where it is the whole, in order) and the view's layout.

    Raises:
        NotImplementedError: the view is of another type than the base.
    """
    if view._cell is not base._cell:
        raise NotImplementedError(
            "in-place write through a view under another dtype of a tensor that requires grad"
        )
    total = math.prod(base._cell.value.shape)
    frame = None if base._layout is None else (total, base._layout)
    return [frame, view._layout_now()]


Tensor._renew = renew


def writing(target: Tensor, result: Tensor) -> Callable[[], None]:
    """Prepares the graph for `result` being written into `target`; call the result after the write."""
    base = target._is_view_of
    if base is None or target._graph_version is None:

        def take_over() -> None:
            target._grad_fn, target._output_nr = result._grad_fn, result._output_nr
            target._requires_grad = result._requires_grad

        return take_over
    place = _within(target, base)
    node = Node(_SCATTER, [base._read(), result._read()], place, [base, result])
    return lambda: node.made(base, 0, tuple(base.shape), base._cell.value.dtype)
