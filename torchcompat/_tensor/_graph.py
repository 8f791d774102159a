"""Views in the recorded graph: their place in it follows their base."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat import _strided
from torchcompat._ops import reinterpret
from torchcompat._ops._registry import STATIC, TRACED, Row
from torchcompat._tensor import _saving
from torchcompat._tensor._marks import form, marked, returned_as_is, same_storage
from torchcompat._tensor._nodes import (
    Accumulate,
    Edge,
    Node,
    accumulator,
    edge_of,
    move_keeper,
    run_hook,
)
from torchcompat._tensor._tensor import UNRECORDED, Tensor

__all__ = [
    "Accumulate",
    "Edge",
    "Node",
    "accumulator",
    "edge_of",
    "marked",
    "returned_as_is",
    "run_hook",
    "same_storage",
    "writing",
]


def _unfold_base(base: jax.Array, frame: tuple | None) -> jax.Array:
    """The storage of a base, from its values; `frame` is the storage's size and the base's layout."""
    if frame is None:
        return base
    total, layout = frame
    return _strided.write(jnp.zeros(total, base.dtype), base, layout)


def _alias_of_base(base: jax.Array, frame: tuple | None, steps: tuple, layout: Any) -> jax.Array:
    """An alias as a function of its base; `steps` are how its storage is seen."""
    storage = functools.reduce(reinterpret.seen, steps, _unfold_base(base, frame))
    return _strided.read(storage, layout)


def _base_with_alias(
    base: jax.Array, value: jax.Array, frame: tuple | None, steps: tuple, layout: Any
) -> jax.Array:
    """A base after a write through an alias."""
    *below, top = itertools.accumulate(steps, reinterpret.seen, initial=_unfold_base(base, frame))
    storage = _strided.write(top, value, layout)
    for under, how in zip(reversed(below), reversed(steps)):
        storage = reinterpret.put_back(under, storage, how)
    return storage if frame is None else _strided.read(storage, frame[1])


_ALIAS = Row(
    name="alias_of_base",
    fn=_alias_of_base,
    names=("base", "frame", "steps", "layout"),
    kinds=(TRACED, STATIC, STATIC, STATIC),
    grad_name="AsStridedBackward0",
)
_SCATTER = Row(
    name="base_with_alias",
    fn=_base_with_alias,
    names=("base", "value", "frame", "steps", "layout"),
    kinds=(TRACED, TRACED, STATIC, STATIC, STATIC),
    grad_name="torch::autograd::CopySlices",
)


def renew(view: Tensor) -> None:
    """Brings a view's place in the graph up to date after its storage was written to."""
    version = view._cell.version
    if view._graph_version is None or view._graph_version == version:
        return
    base: Any = view._is_view_of
    unrecorded = view._closed in UNRECORDED
    if base._requires_grad and (unrecorded or (view._closed and view._grad_fn is not None)):
        raise RuntimeError(
            closed_view(view, "its base or another view of its base has been modified inplace")
        )
    view._graph_version = version
    if base._requires_grad:
        before = view._grad_fn, view._output_nr
        node = Node(_ALIAS, [form(base)], _within(view, base), [base], [0])
        node.made(view, 0, tuple(view.shape), view._cell.value.dtype)
        move_keeper(view, *before)


_BLOCK = (
    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code "
    "by moving both the view and the inplace either both inside the {mode} block (if you don't want "
    "the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
)
# Why a view is closed to in-place writes.
_CLOSED = {
    "several": "This view is the output of a function that returns multiple views. Such functions do "
    "not allow the output views to be modified inplace. You should replace the inplace operation by "
    "an out-of-place one.",
    "custom": "This view was created inside a custom Function (or because an input was returned "
    "as-is) and the autograd logic to handle view+inplace would override the custom backward "
    "associated with the custom Function, leading to incorrect gradients. This behavior is "
    "forbidden. You can fix this by cloning the output of the custom Function.",
    "no_grad": _BLOCK.format(mode="no_grad"),
    "inference": _BLOCK.format(mode="inference_mode"),
}


def closed_view(view: Tensor, what: str = "is being modified inplace") -> str:
    """torch's text for a view that is closed to in-place writes and was written to."""
    mode, now = "no_grad mode", " with grad mode enabled"
    if view._closed == "inference":
        mode, now = "inference mode", " in normal mode"
    subject, made = "A view", f" was created in {mode}"
    if view._grad_fn is not None:
        name = view._grad_fn.name().rstrip("0123456789").removesuffix("Backward")
        subject = f"Output {view._output_nr} of {name} is a view"
        if view._closed in UNRECORDED:
            subject += " of a view which"
        else:
            made = now = ""
    return f"{subject}{made} and {what}{now}. {_CLOSED[str(view._closed)]}"


def _within(view: Tensor, base: Tensor) -> list:
    """Where a view lies in its base.

    Returns:
        The base's frame in its storage (None where it is the whole, in order), how the view sees that
        storage, and the view's layout.

    Raises:
        NotImplementedError: the base itself is seen under another type.
    """
    steps: list[reinterpret.How] = []
    cell: Any = view._cell
    while cell is not base._cell:
        if not hasattr(cell, "how"):
            raise NotImplementedError(
                "in-place write through a view of a tensor that requires grad and is itself a view "
                "under another dtype"
            )
        steps.insert(0, cell.how)
        cell = cell.source
    total = math.prod(base._cell.value.shape)
    frame = None if base._layout is None else (total, base._layout)
    return [frame, tuple(steps), view._layout_now()]


Tensor._renew = renew


def writing(target: Tensor, result: Tensor) -> Callable[[], None]:
    """Prepares the graph for `result` being written into `target`; call the result after the write."""
    if target._closed:
        raise RuntimeError(closed_view(target))
    base = target._is_view_of
    if base is None or target._graph_version is None:

        def take_over() -> None:
            before = target._grad_fn, target._output_nr
            target._grad_fn, target._output_nr = result._grad_fn, result._output_nr
            target._requires_grad = result._requires_grad
            move_keeper(target, *before)
            _note_write(target, result)

        return take_over
    place = _within(target, base)
    node = Node(_SCATTER, [form(base), form(result)], place, [base, result], [0, 1])

    def scatter() -> None:
        before = base._grad_fn, base._output_nr
        node.made(base, 0, tuple(base.shape), base._cell.value.dtype)
        move_keeper(base, *before)
        _note_write(target, result)

    return scatter


def _note_write(target: Tensor, result: Tensor) -> None:
    made_by = result._grad_fn
    if isinstance(made_by, Node) and made_by.marks:
        _saving.written(made_by, target)
