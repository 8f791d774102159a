"""State capture: long-lived storages that a trace reads become inputs, those it writes, outputs."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import jax

from torchcompat import _random
from torchcompat._compile._steps import Number, Stepped
from torchcompat._tensor import Cell, Tensor, is_traced
from torchcompat._tensor._state import serial, state


class Retrace(BaseException):
    """The trace met state that was not among its inputs; it must be run again with it."""


class Capture:
    """One trace of one function. While it runs, the captured cells hold tracers.

    Args:
        cells: storages known to be state; each is an input of the trace.
        values: the tracers that stand for them.
        watched: tensors whose `.grad` slot is known to be state: what they hold is among `cells`.
        numbers: by key, the tracers of the hyper-parameters that are inputs.

    Attributes:
        slots: for each tensor whose `.grad` is state, the tensor and what it held before the trace.
        overwritten: of those the ones (by identity) whose `.grad` is replaced before it is looked at.
        unwatched: long-lived tensors whose `.grad` the trace used although it is not watched.
        missing: long-lived tensors that the trace met although their storage is no input.
        modules: modules called during the trace, by identity.
        observed: calls of hooks that only look, to be made after each run: `(hook, *arguments)`.
        stepped: optimizers that have stepped, by identity.
        unknown: hyper-parameters that the trace asked for although they are no inputs, by key.
    """

    def __init__(
        self,
        cells: list[Any],
        values: list[Any],
        watched: Iterable[Tensor] = (),
        numbers: Mapping[tuple, Any] | None = None,
    ) -> None:
        self.cells = cells
        self.values = values
        self.slots: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.slots |= {id(t): (t, t._grad) for t in watched}
        self.unwatched: dict[int, Tensor] = {}
        self.overwritten: set[int] = set()
        self._touched: set[int] = set()
        self.missing: dict[int, Tensor] = {}
        self.modules: dict[int, Any] = {}
        self.observed: list[tuple] = []
        self.stepped: dict[int, Stepped] = {}
        self.unknown: dict[tuple, Number] = {}
        self._numbers = numbers or {}
        self._known = {id(cell) for cell in cells}
        self._views: list[weakref.ref] = []
        self._made: list[weakref.ref] = []
        self._attributes: list[tuple[dict, dict]] = []

    # -- called by Tensor, Cell and Module while the capture runs ---------------------------------

    def met(self, tensor: Tensor) -> None:
        """`tensor` is about to be read or written."""
        cell = tensor._cell.root
        if cell.serial < self._start and id(cell) not in self._known:
            self._known.add(id(cell))
            self.missing[id(cell)] = tensor
            self._restored.append((cell, cell.value))

    def slot(self, tensor: Tensor, replacing: bool = False) -> None:
        """`tensor.grad` is about to be looked at or replaced."""
        key = id(tensor)
        if key in self._touched or tensor._cell.root.serial > self._start:
            return
        self._touched.add(key)
        if replacing:
            self.overwritten.add(key)
        if key not in self.slots:
            self.slots[key] = tensor, tensor._grad
            self.unwatched[key] = tensor

    def made(self, cell: Cell) -> None:
        self._made.append(weakref.ref(cell))

    def cached(self, view: Tensor) -> None:
        """`view` has just kept a tracer as its value."""
        self._views.append(weakref.ref(view))

    def called(self, module: Any) -> None:
        if id(module) not in self.modules:
            self.modules[id(module)] = module
            held = module.__dict__, module._buffers
            self._attributes += [(now, dict(now)) for now in held]

    def steps(self, optimizer: Any) -> None:
        """`optimizer` is about to step."""
        self.stepped.setdefault(id(optimizer), Stepped(optimizer))

    def number(self, group: dict, name: str, index: int | None) -> Any:
        """The scalar that stands for the number `group[name]`, or for `group[name][index]`."""
        for one in self.stepped.values():
            found = one.number(group, name, index)
            if found is not None:
                key = found.key()
                if key not in self._numbers:
                    self.unknown[key] = found
                return self._numbers.get(key, found.value())
        return float(group[name] if index is None else group[name][index])

    # -- the trace ---------------------------------------------------------------------------------

    def __enter__(self) -> Capture:
        self._start = serial()
        self._restored = [(cell, cell.value) for cell in self.cells]
        for cell, value in zip(self.cells, self.values):
            cell.value = value
        state.capture = self
        self._carried, _random.state.carried_keys = _random.state.carried_keys, True
        return self

    def __exit__(self, *exc: object) -> None:
        state.capture = None
        if exc[0] is not None:
            self.undo_steps()
            self._undo_attributes()
        _random.state.carried_keys = self._carried
        self.restore_slots()
        for cell, value in self._restored:
            cell.value = value
        self._restored.clear()  # what else holds an array keeps it from being donated
        for ref in self._views:
            view = ref()
            if view is not None:
                view._cache = view._seen = None

    def undo_steps(self) -> None:
        """Takes back what optimizers have done to their own state in a trace that failed."""
        for one in self.stepped.values():
            one.undo()

    def _undo_attributes(self) -> None:
        """Takes the traced tensors away that modules keep of a trace that failed."""
        for now, before in self._attributes:
            for name, x in list(now.items()):
                if x is not before.get(name) and is_traced(x):
                    del now[name]
                    if name in before:
                        now[name] = before[name]

    def restore_slots(self) -> None:
        """Puts every `.grad` back as it was before the trace."""
        for tensor, gradient in self.slots.values():
            tensor._grad = gradient

    def written(self) -> list[int]:
        """Positions of the captured cells that the trace has written."""
        return [i for i, (c, v) in enumerate(zip(self.cells, self.values)) if c.value is not v]

    def forget_graphs(self) -> None:
        """Cuts plain attributes that modules keep of the trace off its graph, which ends with it."""
        for module in self.modules.values():
            for x in module.__dict__.values():
                if is_traced(x):
                    x._grad_fn = x._graph_version = None
                    x._requires_grad = False

    def survivors(self) -> list[Cell]:
        """Storages made during the trace that something still holds, with a tracer in them."""
        if self._alive():
            gc.collect()  # what only garbage holds would become an output of the program
        return self._alive()

    def _alive(self) -> list[Cell]:
        alive = (ref() for ref in self._made)
        return [c for c in alive if c is not None and isinstance(c.value, jax.core.Tracer)]
