"""Forward-mode differentiation: tangents beside tensors, by the compiled `jax.jvp` of each op.

While a level is open every op passes through it. A tensor's tangent is a Tensor of the same shape and
layout: a view's tangent is the same view of its base's tangent, and a write to the one is a write to the
other. Tangents are computed by ops themselves, so they take part in the recorded graph. They end with
the level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from torchcompat._ops._registry import EITHER, LIST, MIXED, TRACED, Row
from torchcompat._tensor import _dispatch, _vjps
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, wrap

_NAME = "_tangent"
_NUMBERS = (bool, int, float, complex, type(None))


class Level:
    """One open level."""

    def tangent(self, tensor: Tensor) -> Tensor | None:
        """The tangent of a tensor, or None: it does not change."""
        level, found = tensor.__dict__.get(_NAME, (None, None))
        if level is self:
            return found
        base = tensor._is_view_of
        if base is None or self.tangent(base) is None:
            return None
        with paused():
            found = self.tangent(base).as_strided(*tensor._layout_now())
        self.set(tensor, found)
        return found

    def set(self, tensor: Tensor, tangent: Tensor | None) -> None:
        """Gives a tensor a tangent of its own, or none that its base could have."""
        tensor.__dict__[_NAME] = self, tangent

    def call(self, row: Row, args: tuple) -> Any:
        """Runs an op, and the derivative of it where an argument has a tangent."""
        with paused():
            out = _dispatch.call(row, args)
        if not (state.forward_enabled and row.differentiable):
            return out
        given = _traced(row, args)
        flat, structure = jax.tree.flatten(given, is_leaf=_is_leaf)
        tangents = {
            i: t
            for i, x in enumerate(flat)
            if isinstance(x, Tensor) and (t := self.tangent(x)) is not None
        }
        if tangents:
            with paused():
                self._push(row, args, (flat, structure), tangents, out)
            _keep(out, tangents)
        return out

    def dual(self, value: Any, tangent: Tensor) -> Tensor:
        """A kept value (a Tensor or an array) with the tangent it had."""
        tensor = value if isinstance(value, Tensor) else wrap(value)
        self.set(tensor, tangent)
        return tensor

    def _push(self, row: Row, args: tuple, given: tuple, tangents: dict, out: Any) -> None:
        outs = out if isinstance(out, (tuple, list)) else (out,)
        if row.view is not None and outs[0]._cell is args[0]._cell:
            found = _dispatch.call(row, (tangents[0], *args[1:]))
            several = found if isinstance(found, (tuple, list)) else (found,)
            return self._give(outs, several)
        floating = tuple(
            i for i, x in enumerate(outs) if x.dtype.is_floating_point or x.dtype.is_complex
        )
        leaves, structure = given
        static = _dispatch._bind(row, args)[1]
        pushed = _row(row, static, structure, tuple(tangents), floating, len(leaves))
        along = [_like(t, leaves[i]) for i, t in tangents.items()]
        return self._give([outs[i] for i in floating], _dispatch.call(pushed, (leaves, along)))

    def _give(self, outs: Sequence[Tensor], tangents: Sequence[Tensor]) -> None:
        for tensor, tangent in zip(outs, tangents):
            self.set(tensor, tangent)

    def written(self, target: Tensor, result: Any) -> None:
        """`result` has been written into `target`: the same is done to its tangent."""
        if not state.forward_enabled:
            return
        new = self.tangent(result) if isinstance(result, Tensor) else None
        held = self.tangent(target)
        if new is None and held is None:
            return
        with paused():
            if held is None:
                held = self._fresh(target)
            held.zero_() if new is None else held.copy_(new)

    def _fresh(self, target: Tensor) -> Any:
        base = target if target._is_view_of is None else target._is_view_of
        self.set(base, zeros(base))
        return self.tangent(target)


def _keep(out: Any, tangents: dict[int, Tensor]) -> None:
    """Leaves the tangents with the node that was recorded, for a derivative of its derivative."""
    first = out[0] if isinstance(out, (tuple, list)) else out
    if first._grad_fn is not None:
        first._grad_fn.hung().tangents.update(tangents)


def zeros(tensor: Tensor) -> Tensor:
    """Zeros in a storage like the tensor's, laid out as the tensor is."""
    storage = tensor._cell.value
    with jax.enable_x64(True):
        whole = wrap(jax.numpy.zeros(storage.shape, storage.dtype))
    return whole if tensor._layout is None else whole.as_strided(*tensor._layout)


def _traced(row: Row, args: tuple) -> list:
    """The arguments that the row's function is traced in, as they came."""
    found: list[Any] = []
    for kind, x in zip(row.kinds, args):
        if kind is TRACED or (kind is EITHER and type(x) not in _NUMBERS):
            found.append(x)
        elif kind is LIST or kind is MIXED:
            found.append(tuple(x))
    return found


def _is_leaf(x: Any) -> bool:
    return x is None or isinstance(x, Tensor)


def _like(tangent: Tensor, primal: Tensor) -> Tensor:
    return tangent if tangent.dtype is primal.dtype else tangent.to(primal.dtype)


def _row(row: Row, static: list, structure: Any, moving: tuple, given: tuple, count: int) -> Row:
    """The row of the op that computes the tangents of a row's results; kept with the row itself."""
    key = ("jvp", structure, moving, given, *static, *map(type, static))
    found = row.jitted.get(key)
    if found is None:
        found = row.jitted[key] = Row(
            name=f"{row.name}_jvp",
            fn=_pushforward(_dispatch.pure(row, static), structure, moving, given),
            names=("leaves", "tangents"),
            kinds=(MIXED, MIXED),
            grad_name=f"{row.name}JvpBackward0",
        )
    return found  # type: ignore[return-value]


def _pushforward(function: Callable, structure: Any, moving: tuple, given: tuple) -> Callable:
    def push(leaves: Sequence, tangents: Sequence) -> tuple:
        changing = _vjps.of_changing(function, leaves, structure, moving, given)
        return jax.jvp(changing, [leaves[i] for i in moving], list(tangents))[1]

    return push


@contextmanager
def paused() -> Iterator[None]:
    """Ops inside are not differentiated forward."""
    before, state.forward = state.forward, None
    try:
        yield
    finally:
        state.forward = before
