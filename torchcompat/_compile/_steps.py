"""Optimizers inside a compiled function: what their steps read and change that is no array.

The tensors of an optimizer's state are captured like any others. Its hyper-parameters are plain
numbers in dictionaries: those it asks for one by one (`Capture.number`) become scalar inputs, all
others are part of what a program is looked up by, as is which tensors the state holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import jax

from torchcompat._compile._tree import static
from torchcompat._tensor import Tensor

_NUMBERS = (int, float)


class Number(NamedTuple):
    """A hyper-parameter that is an input: `optimizer.param_groups[group][name]`, or a part of it."""

    optimizer: Any
    group: int
    name: str
    index: int | None

    def value(self) -> float:
        """What it is now."""
        held = self.optimizer.param_groups[self.group][self.name]
        return float(held if self.index is None else held[self.index])

    def key(self) -> tuple:
        """What stands for it in dictionaries."""
        return id(self.optimizer), *self[1:]


def key(optimizers: Iterable[Any], numbers: Collection[tuple]) -> tuple:
    """What a program depends on in `optimizers`, made anew at each call: hashable and quick.

    Args:
        numbers: keys of the hyper-parameters that are inputs; only whether they are zero counts.
    """
    free = {one[:3] for one in numbers}
    return tuple(
        (
            tuple(
                (name, _kind(value) if (id(one), i, name) in free else _setting(value))
                for i, group in enumerate(one.param_groups)
                for name, value in group.items()
                if name != "params"
            ),
            tuple((id(held), len(held)) for held in one.state.values()),
        )
        for one in optimizers
    )


def _kind(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(map(_kind, value))
    return (type(value), value != 0) if type(value) in _NUMBERS else _setting(value)


def _setting(value: Any) -> Any:
    return id(value) if isinstance(value, Tensor) else static(value)


def tensors_of(optimizers: Iterable[Any]) -> list[Tensor]:
    """The tensors that the state of `optimizers` holds."""
    return [
        x
        for one in optimizers
        for held in one.state.values()
        for x in held.values()
        if isinstance(x, Tensor)
    ]


class Stepped:
    """An optimizer that steps inside a running trace, as it was before."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self._groups = [(group, dict(group)) for group in optimizer.param_groups]
        self._held = {p: dict(held) for p, held in optimizer.state.items()}

    def number(self, group: dict, name: str, index: int | None) -> Number | None:
        """The hyper-parameter, if `group` is one of this optimizer's."""
        for i, (own, _) in enumerate(self._groups):
            if own is group:
                return Number(self.optimizer, i, name, index)
        return None

    def settle(self) -> None:
        """Makes state that the step has replaced the new value of what was there before.

        Raises:
            NotImplementedError: the step has changed something that a program cannot carry.
        """
        for group, before in self._groups:
            for name, value in before.items():
                if name != "params" and not _same(group.get(name), value):
                    self._refuse(f"param_groups[...][{name!r}]", value, group.get(name))
        for p, before in self._held.items():
            held = self.optimizer.state[p]
            for name, old in before.items():
                new = held.get(name)
                if new is old or (not isinstance(new, Tensor) and _same(new, old)):
                    continue
                if not _alike(old, new):
                    self._refuse(f"state[...][{name!r}]", old, new)
                old._write(new._read())
                held[name] = old
        for p, held in self.optimizer.state.items():
            for name in held.keys() - self._held.get(p, {}).keys():
                if type(held[name]) in _NUMBERS:
                    self._refuse(f"state[...][{name!r}]", None, held[name])

    def _refuse(self, what: str, old: Any, new: Any) -> None:
        raise NotImplementedError(
            f"compile: {type(self.optimizer).__name__}.{what} went from {old!r} to {new!r} inside the "
            "compiled function, which a compiled step cannot carry; keep it as a tensor, or make "
            "this call outside of the compiled function"
        )

    def undo(self) -> None:
        """Takes back what a trace that is thrown away has done; new tensors with values stay."""
        for group, before in self._groups:
            group.clear()
            group.update(before)
        for p, held in list(self.optimizer.state.items()):
            before = self._held.get(p, {})
            held.update(before)
            for name in [n for n, x in held.items() if n not in before and not _concrete(x)]:
                del held[name]
            if not held and p not in self._held:
                del self.optimizer.state[p]


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and not isinstance(a, Tensor) and bool(a == b))


def _alike(old: Any, new: Any) -> bool:
    both = isinstance(old, Tensor) and isinstance(new, Tensor)
    return both and old.shape == new.shape and old.dtype == new.dtype


def _concrete(x: Any) -> bool:
    return isinstance(x, Tensor) and not isinstance(x._cell.root.value, jax.core.Tracer)
