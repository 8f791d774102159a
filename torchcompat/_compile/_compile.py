"""`compile`: one XLA program per input signature, with the state it reads and writes carried along."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat import _random
from torchcompat._compile import _guards, _observe
from torchcompat._compile._capture import Capture, Retrace
from torchcompat._compile._tree import Template, flatten, is_data
from torchcompat._ops._registry import Row
from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._autograd import Node
from torchcompat._tensor._dispatch import holds, map_nested, to_tensor
from torchcompat._tensor._state import epoch, state
from torchcompat.nn.modules.module import Module

MAX_EXECUTABLES = 64


class Executable:
    """One traced and compiled signature.

    Attributes:
        cells: the storages that are the program's state inputs.
        written: positions in `cells` of those that the program writes.
        filled: storages made by the trace that outlived it (a tensor kept in an attribute); each
            call puts its values into them.
        arguments: positions among the argument arrays of Tensors that the program writes in place.
    """

    def __init__(self, owner: Compiled, args: tuple, kwargs: dict, verdicts: dict) -> None:
        self.owner = owner
        self.verdicts = verdicts
        arrays: list = []
        self.call = Template((args, kwargs), arrays, keep=lambda x: False)
        self.tensors: list[Any] = []
        self.cells = owner.state_cells()
        self.written: list[int] = []
        self.arguments: list[int] = []
        self.filled: list = []
        self.observed: list = []
        self.output: Template | None = None
        self.jitted = jax.jit(self._program)

    def _program(self, values: list, arrays: list) -> tuple:
        capture = Capture(self.cells)
        with _observe.tracing(capture, self.verdicts), capture:
            capture.seed(values)
            boxes: list = []

            def box(array: Any, hole: Any) -> Any:
                if not hole.boxed:
                    return array
                tensor = wrap(array)
                tensor._requires_grad = hole.requires_grad
                boxes.append((hole.index, tensor, array))
                return tensor

            args, kwargs = self.call.fill(arrays, box)
            out = self.owner.function(*args, **kwargs)
            outputs: list = []
            self.output = Template(out, outputs, keep=self._is_state)
            self.observed = [Template(seen, outputs, self._is_state) for seen in capture.observed]
            self.arguments = [i for i, t, before in boxes if t._cell.value is not before]
            outputs += [t._cell.value for _, t, before in boxes if t._cell.value is not before]
            self.written = capture.written()
            del out, args, kwargs, boxes
            capture.observed.clear()
            self.filled = capture.survivors()
            outputs += [cell.value for cell in self.filled]
            state_out = [self.cells[i].value for i in self.written]
        self._check(capture)
        for cell in self.filled:
            cell.value = None
        return outputs, state_out

    def _is_state(self, leaf: Any) -> bool:
        return isinstance(leaf, Tensor) and any(leaf._cell is cell for cell in self.cells)

    def _check(self, capture: Capture) -> None:
        new = self.owner.adopt(capture)
        if new:
            for cell in self.filled:
                cell.value = None
            raise Retrace

    def __call__(self, leaves: list) -> Any:
        cells = self.cells
        arrays = [x._read() if isinstance(x, Tensor) else x for x in leaves]
        values = [cell.value for cell in cells]
        with jax.enable_x64(True):
            outputs, state_out = self.jitted(values, arrays)
        for i, value in zip(self.written, state_out):
            cell = cells[i]
            cell.value = value
            cell.version += 1
        if len(outputs) > self._plain():
            self._side_effects(outputs, leaves)
        return self._deliver(outputs, values, arrays, leaves)
