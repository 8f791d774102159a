"""Marked places in the graph: where a module's backward hooks look on and step in.

A mark is a node that hands its gradients on. Where JAX differentiates instead (`jax.grad`, a compiled call
that is gone backward through), the marked values pass through a `jax.custom_vjp` that calls the same
functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

from torchcompat._ops._common import conjugate
from torchcompat._ops._registry import LIST, Row
from torchcompat._tensor._nodes import Node
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, blank, is_traced, wrap

_MARK = Row(
    name="mark",
    fn=list,
    names=("tensors",),
    kinds=(LIST,),
    grad_name="BackwardHookFunctionBackward",
)


class Mark:
    """One marked place.

    Args:
        node: the node, where the tape records.
    """

    def __init__(self, node: Node | None) -> None:
        self.node = node
        self.hooks: list[Callable] = []

    def register_prehook(self, hook: Callable) -> None:
        """Has `hook` see, and perhaps replace, the tuple of the marked tensors' gradients.

        A gradient is None where no use of the tensor was gone backward through.
        """
        self.hooks.append(hook)
        if self.node is not None:
            self.node.register_prehook(hook)

    def register_hook(self, hook: Callable) -> None:
        """As `register_prehook`, with zeros for unused tensors, None for those that need no gradient."""
        self.hooks.append(hook)
        if self.node is not None:
            self.node.register_hook(functools.wraps(hook)(lambda found, given: hook(found)))

    def through_jax(self, arrays: list) -> tuple:
        """The arrays, with the hooks in the way of JAX's derivative."""

        def backward(_: None, cotangents: tuple) -> tuple:
            gradients: Any = tuple(map(_gradient, cotangents))
            for hook in self.hooks:
                changed = hook(gradients)
                gradients = gradients if changed is None else changed
            return tuple(None if g is None else conjugate(g._read()) for g in gradients)

        same = jax.custom_vjp(lambda *xs: xs)
        same.defvjp(lambda *xs: (xs, None), backward)
        with jax.enable_x64(True):
            return same(*arrays)


def _gradient(cotangent: Any) -> Tensor | None:
    return None if cotangent.dtype == jax.dtypes.float0 else wrap(conjugate(cotangent))


def marked(tensors: list[Tensor]) -> tuple[list[Tensor], Mark | None]:
    """Aliases of `tensors` with one mark between them; None where nothing is differentiated."""
    recording = state.grad_enabled and any(t.requires_grad for t in tensors)
    traced = any(map(is_traced, tensors))
    if not (recording or (traced and state.capture is None)):
        return tensors, None
    forms, places = [tuple(map(form, tensors))], [*range(len(tensors))]
    node = Node(_MARK, forms, [], tensors, places) if recording else None
    mark = Mark(node)
    if traced:
        aliases = list(map(wrap, mark.through_jax([t._read() for t in tensors])))
    else:
        aliases = [returned_as_is(t) if t.requires_grad else same_storage(t) for t in tensors]
    for i, (box, tensor) in enumerate(zip(aliases, tensors)):
        if node is None:
            continue
        shape, kind = tuple(tensor.shape), tensor._cell.value.dtype
        if tensor.requires_grad:
            node.made(box, i, shape, kind)
        else:
            node.outputs.append((i, shape, kind))
    return aliases, mark


def form(tensor: Tensor) -> jax.ShapeDtypeStruct:
    """What stands for the tensor where its values are not needed."""
    return jax.ShapeDtypeStruct(tuple(tensor.shape), tensor._cell.value.dtype)


def returned_as_is(tensor: Tensor) -> Tensor:
    """The tensor as the result of a node of the user's: a view that is closed to in-place writes."""
    twin = same_storage(tensor)
    twin._is_view_of = tensor if tensor._is_view_of is None else tensor._is_view_of
    twin._graph_version, twin._closed = twin._cell.version, "custom"
    return twin


def same_storage(tensor: Tensor) -> Tensor:
    """Another tensor over the same storage and layout, with no history."""
    twin = blank()
    twin._cell, twin._layout = tensor._cell, tensor._layout
    twin._cache, twin._seen = tensor._cache, tensor._seen
    return twin
