"""One traced signature: the jitted program and what goes in and out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun

from torchcompat._compile import _observe
from torchcompat._compile._capture import Capture, Retrace
from torchcompat._compile._tree import Template
from torchcompat._ops._registry import MIXED, Row
from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._graph import Node
from torchcompat._tensor._state import state


class Executable:
    """The program of one signature. Calling it runs the program and carries its state.

    Args:
        function: what is compiled.
        arguments: `(args, kwargs)` of the call it is made for.
        tensors: long-lived tensors whose storages are the program's state.
        holders: other mutable boxes (generator keys) that are state.
        adopt: told of each finished trace; returns whether it brought new state.
    """

    def __init__(
        self,
        function: Callable,
        arguments: tuple,
        tensors: list[Tensor],
        holders: list[Any],
        verdicts: _observe.Verdicts,
        adopt: Callable[[Capture], bool],
    ) -> None:
        self.function = function
        self.verdicts = verdicts
        self.adopt = adopt
        self.tensors = tensors
        self.holders = list(holders)
        self.arguments = Template(arguments, [], keep=lambda leaf: False)
        self.jitted: Callable | None = None
        self.used: list[int] = []
        self.refresh()

    def refresh(self) -> None:
        """Looks up the storages again: `tensor.data = other` gives a tensor another one.

        `owners` are the tensors that are a whole storage each, to which gradients can go.
        """
        cells = {id(t._cell.root): t._cell.root for t in self.tensors}
        self.cells = [*cells.values(), *self.holders]
        whole = {id(t._cell): t for t in reversed(self.tensors) if t._layout is None}
        self.owners = [whole.get(id(self.cells[i])) for i in self.used]
        self.inputs = [self.cells[i] for i in self.used]

    def _build(self, arrays: list) -> Callable:
        """Traces the function; the program takes only the state that it reads."""
        values = [cell.value for cell in self.cells]
        closed = jax.jit(self._program).trace(values, arrays).jaxpr
        jaxpr, count = closed.jaxpr, len(values)
        read = {id(v) for equation in jaxpr.eqns for v in equation.invars}
        read |= set(map(id, jaxpr.outvars))
        self.used = [i for i, v in enumerate(jaxpr.invars[:count]) if id(v) in read]
        self.refresh()
        whole = jaxpr_as_fun(closed)

        def program(state: list, arrays: list) -> list:
            values: list[Any] = [None] * count
            for i, value in zip(self.used, state):
                values[i] = value
            return whole(*values, *arrays)

        return jax.jit(program)

    def _program(self, values: list, arrays: list) -> list:
        """What is traced: state and arguments in, outputs and then written state out."""
        capture = Capture(self.cells, values)
        with _observe.tracing(capture, self.verdicts), capture:
            outputs = self._run(capture, arrays)
            capture.forget_graphs()
            self.filled = capture.survivors()
            self.written = capture.written()
            outputs += [cell.value for cell in self.filled]
            new_state = [self.cells[i].value for i in self.written]
        for cell in self.filled:
            cell.value = None
        if self.adopt(capture):
            raise Retrace
        self.split = len(outputs)
        return outputs + new_state

    def _run(self, capture: Capture, arrays: list) -> list:
        """Calls the function on tracers; notes how its results are boxed and what it wrote."""
        boxes: dict[int, Tensor] = {}

        def box(array: Any, hole: Any) -> Any:
            if hole.boxed:
                boxes[hole.index] = tensor = wrap(array)
                tensor._requires_grad = hole.requires_grad
                return tensor
            return array

        args, kwargs = self.arguments.fill(arrays, box)
        result = self.function(*args, **kwargs)
        outputs: list = []
        self.output = Template(result, outputs, keep=self._is_state)
        self.delivered = len(outputs)
        self.observed = [Template(seen, outputs, self._is_state) for seen in capture.observed]
        capture.observed.clear()
        self.changed = [i for i, t in boxes.items() if t._cell.value is not arrays[i]]
        return outputs + [boxes[i]._cell.value for i in self.changed]

    def _is_state(self, leaf: Any) -> bool:
        return isinstance(leaf, Tensor) and any(leaf is t for t in self.tensors)

    def __call__(self, leaves: list) -> Any:
        """Runs the program on the argument leaves (Tensors and arrays) and carries its state."""
        arrays = [x._read() if isinstance(x, Tensor) else x for x in leaves]
        with jax.enable_x64(True):
            if self.jitted is None:
                self.jitted = self._build(arrays)
            values = [cell.value for cell in self.inputs]
            outputs = self.jitted(values, arrays)
        for i, value in zip(self.written, outputs[self.split :]):
            self.cells[i].value = value
            self.cells[i].version += 1
        result = self._deliver(outputs, values, arrays, leaves)
        if self.split > self.delivered:
            self._settle(outputs[: self.split], leaves)
        return result

    def _deliver(self, outputs: list, values: list, arrays: list, leaves: list) -> Any:
        node = None

        def box(array: Any, hole: Any) -> Any:
            nonlocal node
            if not hole.boxed:
                return array
            tensor = wrap(array)
            if hole.requires_grad and state.grad_enabled:
                if node is None:
                    node = self._node(values, arrays, leaves)
                node.made(tensor, hole.index, array.shape, array.dtype)
            return tensor

        return self.output.fill(outputs, box)

    def _node(self, values: list, arrays: list, leaves: list) -> Node:
        """The compiled call as one recorded op."""
        row = Row(
            name="compiled_function",
            fn=lambda values, arrays: self.jitted(values, arrays)[: self.delivered],
            names=("values", "arrays"),
            kinds=(MIXED, MIXED),
            grad_name="CompiledFunctionBackward",
        )
        found = [(i, t) for i, t in enumerate(self.owners) if t is not None and t.requires_grad]
        found += [
            (len(values) + i, x)
            for i, x in enumerate(leaves)
            if isinstance(x, Tensor) and x.requires_grad
        ]
        return Node(row, [values, arrays], [], [t for _, t in found], [i for i, _ in found])

    def _settle(self, outputs: list, leaves: list) -> None:
        """In-place results of arguments, tensors that outlive the call, and hooks that only look."""
        rest = len(outputs) - len(self.filled)
        for cell, value in zip(self.filled, outputs[rest:]):
            cell.value = value
        for i, value in zip(self.changed, outputs[rest - len(self.changed) : rest]):
            leaves[i]._write(value)
        for template in self.observed:
            hook, args = template.fill(outputs, lambda array, hole: wrap(array))
            _observe.show(hook, args)
