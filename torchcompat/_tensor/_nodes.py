"""The nodes of the recorded graph: one an op, one a leaf; and what hangs on them."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from torchcompat import _dtype
from torchcompat._ops._registry import Row
from torchcompat._tensor import _grads, _saving
from torchcompat._tensor._state import sequence, state
from torchcompat._tensor._tensor import Size, Tensor, wrap
from torchcompat.utils.hooks import RemovableHandle


class Edge(NamedTuple):
    """One output of one node."""

    node: Any
    output: int


class Metadata(NamedTuple):
    """What one gradient of a node is like."""

    shape: Size
    dtype: _dtype.dtype


class Extra:
    """What is hung on a node; few have any.

    Attributes:
        hooks: by output number, the functions that see, and perhaps replace, its gradient.
        keepers: by output number, what `retain_grad` calls after those.
        before: functions that see, and may replace, the tuple of the outputs' gradients.
        after: functions of the inputs' and the outputs' gradients, which may replace the former.
        metadata: the user's own notes.
        tangents: by their places among the leaves, the tangents of what was differentiated forward.
    """

    __slots__ = ("hooks", "keepers", "before", "after", "metadata", "tangents")

    def __init__(self) -> None:
        self.hooks: dict[int, OrderedDict] = {}
        self.keepers: dict[int, Callable] = {}
        self.before: OrderedDict[int, Callable] = OrderedDict()
        self.after: OrderedDict[int, Callable] = OrderedDict()
        self.metadata: dict = {}
        self.tangents: dict[int, Tensor] = {}


def add_hook(hooks: OrderedDict, hook: Callable) -> RemovableHandle:
    """Puts `hook` into `hooks` and returns what takes it out again."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


class GraphNode:
    """A node of the graph that `backward` walks.

    Attributes:
        serial: its place in the order of creation.
        extra: hooks and notes, or None.
        edges: for each input that may need a gradient where it came from, or None.
    """

    __slots__ = ("serial", "extra", "__weakref__")
    serial: float
    extra: Extra | None
    edges: Any = ()
    outputs: Any = ()
    freed = False
    _title = ""

    def hung(self) -> Extra:
        """The node's hooks and notes, made on first use."""
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    def hooks_of(self, output: int) -> OrderedDict[int, Callable]:
        """The hooks that see, and perhaps replace, the gradient of one output."""
        return self.hung().hooks.setdefault(output, OrderedDict())

    def name(self) -> str:
        """The node's name as torch prints it: `ReluBackward0`."""
        return self._title or type(self).__name__

    @property
    def next_functions(self) -> tuple:
        """For each input, the node that made it and which of its outputs it is, or `(None, 0)`."""
        return tuple((None, 0) if edge is None else tuple(edge) for edge in self.edges)

    @property
    def metadata(self) -> dict:
        """A dictionary for the user's own notes."""
        return self.hung().metadata

    @property
    def requires_grad(self) -> bool:
        return True

    @property
    def _input_metadata(self) -> list[Metadata]:
        """Shape and type of each gradient that the node takes."""
        forms = {i: (shape, kind) for i, shape, kind in self.outputs}
        return [Metadata(Size(shape), _dtype.from_numpy(kind)) for shape, kind in forms.values()]

    def _sequence_nr(self) -> int:
        return int(self.serial)

    def _set_sequence_nr(self, number: int) -> None:
        self.serial = number

    def register_hook(self, fn: Callable) -> RemovableHandle:
        """Calls `fn(grad_inputs, grad_outputs)` after the node has run; a result replaces the former."""
        return add_hook(self.hung().after, fn)

    def register_prehook(self, fn: Callable) -> RemovableHandle:
        """Calls `fn(grad_outputs)` before the node runs; a result replaces them."""
        return add_hook(self.hung().before, fn)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self))}>"


class Node(GraphNode):
    """One recorded op.

    Args:
        row: the op.
        arrays: its traced arguments: arrays, numbers, None, and tuples of those. A view keeps only
            the shape and type of its source (`jax.ShapeDtypeStruct`).
        static: its static arguments.
        inputs: the Tensors among its arguments, in order.
        positions: for each of those its place in `arrays`, sequences counted through.

    Attributes:
        leaves: `arrays` without nesting; None once they are freed. Where the derivative does not
            depend on a value, only its shape and type.
        structure: how `leaves` nest; None if they do not.
        edges: for each Tensor argument where it came from, or None if it needs no gradient. Arguments
            that no derivative exists by (an index, a mask) are left out, as in torch.
        positions: for each of those its place in `leaves`.
        outputs: `(number, shape, dtype)` of each differentiable result.
        marks: what must not be written to before backward.
        pull: None, or the derivative where the forward pass has prepared it: it takes gradients of
            results by their numbers, and gives those of the arguments that need one.
    """

    __slots__ = ("row", "static", "structure", "leaves", "edges", "positions", "outputs", "marks")
    __slots__ += ("made_at", "pull")

    def __new__(cls, row: Row, arrays: list, *args: Any) -> Node:
        name = row.grad_name
        if not isinstance(name, str):
            name = name(*(getattr(x, "ndim", 0) for x in _flattened(arrays)[0]))
        return object.__new__(_kinds.get(name) or _kind(name))

    def __init__(
        self,
        row: Row,
        arrays: list,
        static: list,
        inputs: list[Tensor],
        positions: list[int],
    ) -> None:
        self.serial = sequence()
        self.extra = None
        self.row, self.static = row, static
        self.leaves: list | None
        self.leaves, self.structure = _flattened(arrays)
        self.edges = [edge_of(t) for t in inputs]
        self.positions = positions
        if None in self.edges:
            self._leave_out_indices()
        if row.name in _BOXES_NUMBERS and len(self.edges) == 1:
            self.edges.append(None)
            self.positions.append(-1)
        self.outputs: list[tuple[int, tuple, Any]] = []
        self.marks: list = []
        self.pull: Callable[[dict[int, Any]], Sequence[Any]] | None = None
        self.made_at = _saving.stack() if state.anomaly else None

    def made(self, tensor: Tensor, output: int, shape: tuple, dtype: Any) -> None:
        """Notes that `tensor` is one of this op's results."""
        self.outputs.append((output, shape, dtype))
        tensor._grad_fn, tensor._output_nr, tensor._requires_grad = self, output, True

    def _leave_out_indices(self) -> None:
        leaves: Any = self.leaves
        left_out = [
            i
            for i, (edge, position) in enumerate(zip(self.edges, self.positions))
            if edge is None and leaves[position].dtype.kind in ("biu" if i else "b")
        ]
        for i in reversed(left_out):
            del self.edges[i], self.positions[i]

    def saved(self) -> list[Any]:
        """The leaves, with Tensors that continue the graph where an input needs a gradient."""
        leaves = _saving.unpacked(self)
        for position, edge in zip(self.positions, self.edges):
            if edge is not None and not isinstance(leaves[position], _saving.ABSENT):
                leaves[position] = box = wrap(leaves[position])
                box._grad_fn, box._output_nr, box._requires_grad = *edge, True
        if state.forward is not None and self.extra is not None:
            for position, tangent in self.extra.tangents.items():
                if not isinstance(leaves[position], _saving.ABSENT):
                    leaves[position] = state.forward.dual(leaves[position], tangent)
        return leaves

    def release(self) -> None:
        """Frees what backward needed. What kept no values can be gone through again."""
        if _saving.keeps_values(self):
            self.leaves = self.pull = None
        self.marks = []

    @property
    def freed(self) -> bool:  # type: ignore[override]
        """Whether a backward pass has used up what the node kept."""
        return self.leaves is None


# A number that one of these is given counts as an argument with no place in the graph.
_BOXES_NUMBERS = frozenset(("_add", "_sub", "add", "div", "mul", "sub", "true_divide"))
_kinds: dict[str, type[Node]] = {}


def _kind(name: str) -> type[Node]:
    """The class of the nodes of one name: `type(y.grad_fn).__name__` is that name, as in torch."""
    title = _TITLES.get(name, name)
    attributes = {"__slots__": (), "__module__": "builtins", "_title": title}
    made = _kinds[name] = type(title.rpartition("::")[2], (Node,), attributes)
    return made


# Where torch names the node after the op that its function calls last.
_TITLES = {
    "CorrcoefBackward0": "DivBackward0",
    "CopyBackwards": "torch::autograd::CopyBackwards",
    "CrossBackward0": "LinalgCrossBackward0",
    "CrossEntropyBackward0": "NllLossBackward0",
    "LocalResponseNormBackward0": "DivBackward0",
    "LuSolveBackward0": "LinalgLuSolveBackward0",
    "LuWithInfoBackward0": "LinalgLuFactorExBackward0",
    "MatrixExpBackward0": "LinalgMatrixExpBackward0",
    "MultilabelSoftMarginLossBackward0": "MeanBackward0",
    "NanquantileBackward0": "SqueezeBackward4",
    "QuantileBackward0": "SqueezeBackward4",
    "TrueDivideBackward0": "DivBackward0",
}


def _flattened(arrays: list) -> tuple[list, Any]:
    """Traced arguments without nesting, and how they nest; None if they do not."""
    for x in arrays:
        if type(x) is tuple or type(x) is list:
            return jax.tree.flatten(arrays, is_leaf=_is_none)
    return arrays, None


def _is_none(x: Any) -> bool:
    return x is None


def run_hook(hook: Callable, *args: Any) -> Any:
    """Calls a hook, by way of a running `compile`."""
    runner = state.hook_runner
    return hook(*args) if runner is None else runner(hook, *args)


class Accumulate(GraphNode):
    """The end of the graph at a leaf tensor: adds the gradient to its `.grad`."""

    __slots__ = ("variable", "finished")
    __module__ = "builtins"

    def __init__(self, variable: Tensor) -> None:
        self.serial = float("inf")
        self.extra = None
        self.finished: OrderedDict[int, Callable] = OrderedDict()
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def _sequence_nr(self) -> int:
        return 2**64 - 1

    def accumulate(self, gradient: Tensor, keep_graph: bool) -> None:
        """Adds `gradient` to the leaf's `.grad`."""
        variable = self.variable
        if state.capture is not None:
            state.capture.slot(variable)
        before, kind = variable._grad, _grads.dtype_of(variable)
        if kind is not None and gradient.dtype is not kind:
            gradient = gradient.to(kind)
        if before is None:
            variable._grad = gradient if keep_graph else wrap(gradient._read())
        elif keep_graph:
            variable._grad = before + gradient
        else:
            before._write((before + gradient)._read())

    @property
    def outputs(self) -> list:  # type: ignore[override]
        """The leaf, as the one thing that the node takes a gradient of."""
        return [(0, tuple(self.variable.shape), self.variable._cell.value.dtype)]


Accumulate.__name__ = "AccumulateGrad"


def accumulator(leaf: Tensor) -> Accumulate:
    """The one node that stands for a leaf as long as a graph or a hook holds it."""
    end = leaf._end
    found = None if end is None else end()
    if found is None or found.variable is not leaf:
        found = Accumulate(leaf)
        leaf._end = weakref.ref(found)
    return found


def move_keeper(tensor: Tensor, node: Any, output: int) -> None:
    """`tensor` stands elsewhere in the graph now: takes along what `retain_grad` hung on its place.

    Args:
        node, output: where it stood.
    """
    keepers = node.extra.keepers if node is not None and node.extra is not None else {}
    if output in keepers and tensor._grad_fn is not None:
        tensor._grad_fn.hung().keepers[tensor._output_nr] = keepers.pop(output)


def edge_of(tensor: Tensor) -> Edge | None:
    """Where the tensor's gradient goes, or None if it needs none."""
    if not tensor.requires_grad:
        return None
    node = tensor.grad_fn if tensor._closed else tensor._grad_fn
    return Edge(accumulator(tensor), 0) if node is None else Edge(node, tensor._output_nr)


def spent(tensor: Tensor) -> bool:
    """Whether a backward pass has used up some of the tensor's graph."""
    stack = [] if tensor._grad_fn is None else [tensor._grad_fn]
    seen = set(stack)
    while stack:
        node = stack.pop()
        if node.freed:
            return True
        found = {edge.node for edge in node.edges if edge is not None} - seen
        seen |= found
        stack.extend(found)
    return False
