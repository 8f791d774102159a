"""What a model's modules receive and return, and the gradients of both, as NumPy arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np


class Value(NamedTuple):
    """A tensor as it was at one moment. `dtype` is its library's name for the type."""

    array: np.ndarray
    dtype: str


class Event(NamedTuple):
    """A module was entered with, or left with, `values`.

    Attributes:
        call: how often it was called before.
        caller: the module whose forward called it; None for the outermost one.
    """

    leaving: bool
    name: str
    call: int
    values: list[Value]
    caller: str | None


class Library(NamedTuple):
    """What a recorder must know of torch or torchcompat."""

    is_tensor: Callable[[Any], bool]
    value: Callable[[Any], Value]


class Recorder:
    """Hooks on every module of `model`; use it in a `with` statement.

    Attributes:
        events: enterings and leavings in the order of execution.
        gradients: by (leaving, name, call, number of the tensor), filled during the backward pass.
    """

    def __init__(self, model: Any, library: Library, gradients: bool) -> None:
        self.events: list[Event] = []
        self.gradients: dict[tuple[bool, str, int, int], Value] = {}
        self.open: list[str] = []
        self._model, self._library, self._wanted = model, library, gradients
        self._calls: dict[str, int] = {}
        self._numbers: list[int] = []
        self._handles: list[Any] = []
        self._watched: list[tuple[Any, int, tuple]] = []

    def __enter__(self) -> Recorder:
        for name, module in self._model.named_modules():
            self._handles += [
                module.register_forward_pre_hook(self._entering(name), with_kwargs=True),
                module.register_forward_hook(self._leaving(name)),
            ]
        return self

    def __exit__(self, *exc: Any) -> None:
        for handle in self._handles:
            handle.remove()

    def stable_gradients(self) -> dict[tuple[bool, str, int, int], Value]:
        """The gradients of tensors that were not written over later in the forward pass."""
        changed = {key for tensor, version, key in self._watched if tensor._version != version}
        return {key: value for key, value in self.gradients.items() if key not in changed}

    def _entering(self, name: str) -> Callable:
        def hook(module: Any, args: tuple, kwargs: dict) -> None:
            number = self._calls[name] = self._calls.get(name, -1) + 1
            caller = self.open[-1] if self.open else None
            self._note(False, name, number, (args, kwargs), caller)
            self.open.append(name)
            self._numbers.append(number)

        return hook

    def _leaving(self, name: str) -> Callable:
        def hook(module: Any, args: tuple, output: Any) -> None:
            self.open.pop()
            number = self._numbers.pop()
            caller = self.open[-1] if self.open else None
            self._note(True, name, number, output, caller)

        return hook

    def _note(self, leaving: bool, name: str, call: int, what: Any, caller: str | None) -> None:
        tensors = list(flatten(what, self._library.is_tensor))
        values = [self._library.value(tensor) for tensor in tensors]
        self.events.append(Event(leaving, name, call, values, caller))
        if not self._wanted:
            return
        for number, tensor in enumerate(tensors):
            if tensor.requires_grad:
                key = (leaving, name, call, number)
                self._watched.append((tensor, tensor._version, key))
                tensor.register_hook(self._keeper(key))

    def _keeper(self, key: tuple) -> Callable:
        def keep(gradient: Any) -> None:
            self.gradients[key] = self._library.value(gradient)

        return keep


def flatten(x: Any, is_tensor: Callable[[Any], bool]) -> Iterator[Any]:
    """The tensors in nested containers, in order; those of mappings by their keys' order."""
    if is_tensor(x):
        yield x
    elif isinstance(x, Mapping):
        for value in x.values():
            yield from flatten(value, is_tensor)
    elif isinstance(x, (list, tuple)):
        for value in x:
            yield from flatten(value, is_tensor)
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        for field in dataclasses.fields(x):
            yield from flatten(getattr(x, field.name), is_tensor)
