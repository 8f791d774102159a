"""One traced signature: the jitted program and what goes in and out of it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun

from torchcompat._compile import _observe, _xla
from torchcompat._compile._capture import Capture, Retrace
from torchcompat._compile._donation import Donating
from torchcompat._compile._kept import keeping
from torchcompat._compile._recorded import Recorded
from torchcompat._compile._steps import Number
from torchcompat._compile._tree import Template
from torchcompat._ops._checks import UnknownValueError
from torchcompat._ops._registry import MIXED, Row
from torchcompat._tensor import Cell, Tensor, wrap
from torchcompat._tensor._cell import Turned
from torchcompat._tensor._graph import Node
from torchcompat._tensor._orders import arrange
from torchcompat._tensor._state import state

# State that is looked at after as many runs in a row is no longer handed on in another order.
_MOST_SEEN = 8


class Executable:
    """The program of one signature. Calling it runs the program and carries its state.

    Args:
        function: what is compiled.
        arguments: `(args, kwargs)` of the call it is made for.
        tensors: long-lived tensors whose storages are the program's state.
        holders: other mutable boxes (generator keys) that are state.
        watched: tensors whose `.grad`, and what it holds, is state.
        adopt: told of each finished trace; returns whether it brought new state.
        numbers: hyper-parameters of optimizers that are inputs.
    """

    def __init__(
        self,
        function: Callable,
        arguments: tuple,
        tensors: list[Tensor],
        holders: list[Any],
        watched: list[Tensor],
        verdicts: _observe.Verdicts,
        adopt: Callable[[Capture], bool],
        numbers: list[Number],
    ) -> None:
        self.function = function
        self.verdicts = verdicts
        self.adopt = adopt
        self.tensors = tensors
        self.holders = list(holders)
        self.watched = watched
        self.numbers = numbers
        self.arguments = Template(arguments, [], keep=lambda leaf: False)
        self.jitted: Any = None
        self.compiled: Any = None
        self.donating: Donating | None = None
        self.donate: Callable[[Mapping], Donating]
        self.recording: Recorded | None = None
        self.used: list[int] = []
        self.written: list[int] = []
        self.row = Row(
            name="compiled_function",
            fn=lambda values, arrays: self.jitted(values, arrays)[: self.delivered],
            names=("values", "arrays"),
            kinds=(MIXED, MIXED),
            grad_name="CompiledFunctionBackward",
        )
        self.refresh()

    def refresh(self) -> None:
        """Looks up the storages again: `tensor.data = other` gives a tensor another one.

        `owners` are the tensors that are a whole storage each, to which gradients can go.
        """
        cells = {id(t._cell.root): t._cell.root for t in self.tensors}
        cells |= {id(cell): cell for cell in self.holders}
        self.gradients = [t._grad for t in self.watched]
        cells |= {id(t._cell.root): t._cell.root for t in self.gradients if t is not None}
        self.cells = list(cells.values())
        self.form = _form(self.gradients, self.cells)
        whole = {id(t._cell): t for t in reversed(self.tensors) if t._layout is None}
        self.owners = [whole.get(id(self.cells[i])) for i in self.used]
        self.inputs = [self.cells[i] for i in self.used]

    def fits(self) -> bool:
        """Whether the gradients at hand are of the form that the program was made for."""
        if not all(map(operator.is_, [t._grad for t in self.watched], self.gradients)):
            self.refresh()
        return self.form == self.made_for

    def _build(self, arrays: list) -> None:
        """Traces the function; the program takes only the state that it reads."""
        values = [cell.value for cell in self.cells]
        closed = jax.jit(self._program).trace(values, arrays).jaxpr
        jaxpr, count = closed.jaxpr, len(values)
        read = {id(v) for equation in jaxpr.eqns for v in equation.invars}
        read |= set(map(id, jaxpr.outvars))
        places = [i for i, v in enumerate(jaxpr.invars[:count]) if id(v) in read]
        self._narrow(places)
        whole = jaxpr_as_fun(closed)

        def program(state: list, arrays: list) -> list:
            values: list[Any] = [None] * count
            for i, value in zip(places, state):
                values[i] = value
            return whole(*values, *arrays)

        self.largest = _xla.largest(jaxpr)
        if self.written and not self.recorded:
            shapes = [closed.in_avals[i].shape for i in places]
            self.donate = functools.partial(self._donating, program, shapes, closed.out_avals)
            self.donating = self.donate(_xla.homes(closed.jaxpr, [c.value for c in self.inputs]))
        self.jitted = jax.jit(program)
        if self.recorded or self.written:
            self.compiled = _xla.Program(program, self.largest)
        else:
            self.compiled = keeping(program, [self.cells[i].value for i in self.used], arrays)

    def _donating(
        self, program: Callable, shapes: list[tuple], outputs: Sequence, homes: Mapping
    ) -> Donating:
        """The program as it may write over its state; it hands kernels that it replaces on in `homes`."""
        replaced = [i in self.written for i in self.used]
        sizes = self.split, len(self.written), self.largest
        if not any(one and shape in homes for one, shape in zip(replaced, shapes)):
            homes = {}
        taken = {i: homes[shape] for i, shape in enumerate(shapes) if shape in homes}
        gradients = {place for _, place in self.assigned if type(place) is int}
        left = {
            i: homes[x.shape]
            for i, x in enumerate(outputs)
            if (i in gradients or i >= self.split) and x.shape in homes
        }
        return Donating(program, replaced, *sizes, _xla.Carried(homes, taken, left))

    def _narrow(self, places: list[int]) -> None:
        """Leaves out of the state the gradients that the program replaces without a look at them."""
        used = [self.cells[i] for i in places]
        written = [self.cells[i] for i in self.written]
        alive = set(map(id, (*used, *written)))
        self.watched = [
            t
            for t in self.watched
            if id(t) not in self.overwritten
            or (t._grad is not None and id(t._grad._cell.root) in alive)
        ]
        self.refresh()
        position = {id(cell): i for i, cell in enumerate(self.cells)}
        self.used = [position[id(cell)] for cell in used]
        self.written = [position[id(cell)] for cell in written]
        self.refresh()
        self.made_for = self.form

    def _program(self, values: list, arrays: list) -> list:
        """What is traced: state and arguments in, outputs and then written state out."""
        numbers = dict(zip((one.key() for one in self.numbers), arrays[-1])) if self.numbers else {}
        capture = Capture(self.cells, values, self.watched, numbers)
        with _observe.tracing(capture, self.verdicts), capture:
            outputs = self._run(capture, arrays)
            for one in capture.stepped.values():
                one.settle()
            capture.forget_graphs()
            capture.restore_slots()
            self.overwritten = capture.overwritten
            self.replaced = [t for i, (t, _) in capture.slots.items() if i in self.overwritten]
            self.filled = capture.survivors()
            self.written = capture.written()
            outputs += [cell.value for cell in self.filled]
            new_state = [self.cells[i].value for i in self.written]
        again = self.adopt(capture)
        if again:
            capture.undo_steps()
        for cell in self.filled:
            cell.value = None
        if again:
            raise Retrace
        self.split = len(outputs)
        return outputs + new_state

    def _run(self, capture: Capture, arrays: list) -> list:
        """Calls the function on tracers; notes how its results are boxed and what it wrote."""
        boxes: dict[int, Tensor] = {}
        storages: dict[int, Any] = {}

        def box(array: Any, hole: Any) -> Any:
            if hole.boxed:
                boxes[hole.index] = tensor = wrap(array)
                storages[hole.index] = tensor._cell
                tensor._requires_grad = hole.requires_grad
                return tensor
            return array

        args, kwargs = self.arguments.fill(arrays, box)
        result = self.function(*args, **kwargs)
        if any(box._cell is not storages[i] for i, box in boxes.items()):
            raise UnknownValueError("an argument was given another storage")
        outputs: list = []
        self.output = Template(result, outputs, keep=self._is_state)
        self.delivered = len(outputs)
        going = (hole.goes_on() for hole in self.output.holes())
        self.recorded = state.grad_enabled and any(going)
        self.observed = [Template(seen, outputs, self._is_state) for seen in capture.observed]
        capture.observed.clear()
        self.assigned = self._assigned(capture, outputs)
        self.passed_back = _kept(outputs, {i: t._grad for i, t in boxes.items()})
        self.flagged = [i for i, t in boxes.items() if t._requires_grad and t._grad_fn is None]
        self.changed = [i for i, t in boxes.items() if t._cell.value is not arrays[i]]
        return outputs + [boxes[i]._cell.value for i in self.changed]

    def _assigned(self, capture: Capture, outputs: list) -> list[tuple]:
        """The watched tensors whose `.grad` the trace replaced, each with what it holds now.

        That is None, a long-lived Tensor, or the place among the outputs of a new one's value.
        """
        changed = [t for t, before in capture.slots.values() if t._grad is not before]
        fresh = {id(t): t._grad for t in changed if not self._is_state(t._grad)}
        places = dict(_kept(outputs, fresh))
        return [(t, places.get(id(t), t._grad)) for t in changed]

    def _is_state(self, leaf: Any) -> bool:
        return isinstance(leaf, Tensor) and any(leaf is t for t in self.tensors)

    def __call__(self, leaves: list) -> Any:
        """Runs the program on the argument leaves (Tensors and arrays) and carries its state."""
        arrays = self._arrays(leaves)
        with jax.enable_x64(True):
            if self.jitted is None:
                self._build(arrays)
            if self.recorded:
                node, outputs = self._record(arrays, leaves)
            else:
                node, outputs = None, self._execute(arrays)
        for i, value in zip(self.written, outputs[self.split :]):
            _put(self.cells[i], value)
            self.cells[i].version += 1
        result = self._deliver(outputs, node)
        if self.split > self.delivered or self.assigned or self.flagged:
            self._settle(outputs[: self.split], leaves)
        return result

    def program(self, leaves: list) -> Any:
        """XLA's program, as it is run where the state it replaces may be given away."""
        arrays = self._arrays(leaves)
        with jax.enable_x64(True):
            if self.donating is None:
                return self.compiled.lower([cell.value for cell in self.inputs], arrays).compile()
            return self.donating.lower(self.donating.values(self.inputs), arrays).compile()

    def _arrays(self, leaves: list) -> list:
        """The arguments of a call, the hyper-parameters last."""
        arrays = [x._read() if isinstance(x, Tensor) else x for x in leaves]
        if self.numbers:
            arrays.append(np.array([one.value() for one in self.numbers]))
        return arrays

    def _execute(self, arrays: list) -> list:
        donating = self.donating
        if donating is not None and donating.seen > _MOST_SEEN:
            donating = self.donating = self.donate({})
        if donating is not None and donating.suits(self.inputs, arrays):
            values = donating.values(self.inputs)
            if donating.may_take(values):
                # These gradients are not looked at: their memory is free.
                for tensor in self.replaced:
                    tensor._grad = None
                return donating(values, arrays)
        return self.compiled([cell.value for cell in self.inputs], arrays)

    def _record(self, arrays: list, leaves: list) -> tuple[Node, list]:
        """Runs the program as one op of the graph."""
        values = [cell.value for cell in self.inputs]
        node = self._node(values, arrays, leaves)
        if node.positions:
            if self.recording is None:
                tracked = [hole.index for hole in self.output.holes() if hole.goes_on()]
                self.recording = Recorded(
                    self.jitted, len(values), node.positions, tracked, self.largest
                )
            outputs, node.pull = self.recording(values, arrays)
            return node, outputs
        return node, self.compiled(values, arrays)

    def _deliver(self, outputs: list, node: Node | None) -> Any:
        def box(array: Any, hole: Any) -> Any:
            if not hole.boxed:
                return array
            tensor = wrap(array)
            if hole.requires_grad and hole.freed:
                _freed().made(tensor, 0, array.shape, array.dtype)
            elif node is not None and hole.goes_on():
                node.made(tensor, hole.index, array.shape, array.dtype)
            return tensor if hole.strides is None else arrange(tensor, hole.strides)

        return self.output.fill(outputs, box)

    def _node(self, values: list, arrays: list, leaves: list) -> Node:
        """The compiled call as one recorded op."""
        found = [(i, t) for i, t in enumerate(self.owners) if t is not None and t.requires_grad]
        found += [
            (len(values) + i, x)
            for i, x in enumerate(leaves)
            if isinstance(x, Tensor) and x.requires_grad
        ]
        return Node(self.row, [values, arrays], [], [t for _, t in found], [i for i, _ in found])

    def _settle(self, outputs: list, leaves: list) -> None:
        """In-place results of arguments, gradients, tensors that outlive the call, looking hooks."""
        for tensor, gradient in self.assigned:
            tensor._grad = _boxed(outputs[gradient]) if type(gradient) is int else gradient
        for i in self.flagged:
            leaves[i].requires_grad_()
        for i, place in self.passed_back:
            leaves[i].backward(wrap(outputs[place]))
        rest = len(outputs) - len(self.filled)
        for cell, value in zip(self.filled, outputs[rest:]):
            cell.value = value
        for i, value in zip(self.changed, outputs[rest - len(self.changed) : rest]):
            leaves[i]._write(value)
        for template in self.observed:
            hook, args = template.fill(outputs, lambda array, hole: wrap(array))
            _observe.show(hook, args)


def _put(cell: Cell, value: Any) -> None:
    if type(value) is Turned:
        cell.turn(value)
    else:
        cell.value = value


def _boxed(value: Any) -> Tensor:
    if type(value) is not Turned:
        return wrap(value)
    tensor = wrap(value.array)
    tensor._cell.turn(value)
    return tensor


def _kept(outputs: list, gradients: dict[Any, Any]) -> list[tuple]:
    """Appends the gradients' arrays to `outputs`: for each key, the place; None is left out."""
    places = []
    for key, gradient in gradients.items():
        if gradient is not None:
            places.append((key, len(outputs)))
            outputs.append(gradient._read())
    return places


def _form(gradients: list[Tensor | None], cells: list) -> tuple:
    """What the program depends on in the gradients that it finds: storages, layouts, sharing."""
    position = {id(cell): i for i, cell in enumerate(cells)}
    return tuple(
        t if t is None else (position[id(t._cell.root)], t._layout, *t._cell.form)
        for t in gradients
    )


def _freed() -> Node:
    """The graph of a result that the call has already gone backward through."""
    node = Node(_FREED, [], [], [], [])
    node.leaves = None
    return node


_FREED = Row(
    name="compiled_function", fn=tuple, names=(), kinds=(), grad_name="CompiledFunctionBackward"
)
