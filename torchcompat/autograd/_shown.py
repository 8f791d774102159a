"""What a node shows of what it keeps: `y.grad_fn._saved_self`, `_saved_dim`, `_raw_saved_self`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from torchcompat._ops._registry import LIST, MIXED, STATIC, TRACED
from torchcompat._tensor import Size, Tensor, _dispatch, _saving, wrap
from torchcompat._tensor._engine import FREED
from torchcompat._tensor._nodes import Accumulate, Node, edge_of
from torchcompat.autograd._saved import SavedTensor

_SAVED, _RAW, _SIZES = "_saved_", "_raw_saved_", "_sym_sizes"
_TOO_LATE = (
    "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of "
    "the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if "
    "you need to backward through the graph a second time or if you need to access saved variables "
    "after calling backward."
)


class _Argument(SavedTensor):
    """One argument of an op, kept by its node."""

    def __init__(self, node: Node, place: int) -> None:
        self._node, self._place = node, place

    def _hooked(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        if self._node.leaves is None:
            raise RuntimeError(_TOO_LATE)
        held = self._node.leaves[self._place]
        if _saving.is_packed(held):
            raise RuntimeError(_saving.HOOKED)
        leaves = self._node.leaves = list(self._node.leaves)
        leaves[self._place] = _saving.packed(held, pack_hook, unpack_hook)


def _places(node: Node) -> dict[str, Any]:
    """For each parameter of the node's op the place of its value among the leaves, or the value.

    Places are numbers in `_Place`; a list of tensors has a tuple of them.
    """
    leaves: Any = node.leaves
    numbered: Any = [_Place(i) for i in range(len(leaves))]
    if node.structure is not None:
        numbered = jax.tree.unflatten(node.structure, numbered)
    traced, static = iter(numbered), iter(node.static)
    found = {}
    for name, kind in zip(node.row.names, node.row.kinds):
        value = None if kind in (TRACED, LIST, MIXED) else next(static)
        fixed = kind == STATIC or (value is not None and not _dispatch.is_traced_here(value))
        found[name] = value if fixed else next(traced)
    return found


class _Place(int):
    """A place among a node's leaves."""


def _tensor(node: Node, place: int) -> Any:
    """The value at one place, as the tensor that the op was given."""
    held: Any = node.leaves
    if not hasattr(held[place], "shape") and not _saving.is_packed(held[place]):
        return held[place]
    value = wrap(_saving.unpacked(node)[place])
    edge = dict(zip(node.positions, node.edges)).get(place)
    if edge is None:
        return value
    if not _saving.is_packed(held[place]):
        if isinstance(edge.node, Accumulate):
            return edge.node.variable
        for mark in node.marks:
            saved = mark.saved()
            if saved is not None and edge_of(saved) == edge:
                return saved
    value._grad_fn, value._output_nr, value._requires_grad = *edge, True
    return value


def _result(node: Node) -> Tensor:
    leaves = _saving.unpacked(node)
    arguments = leaves if node.structure is None else jax.tree.unflatten(node.structure, leaves)
    with jax.enable_x64(True):
        out = _dispatch.pure(node.row, node.static)(*arguments)
    tensor = wrap(out[0] if isinstance(out, (tuple, list)) else out)
    tensor._grad_fn, tensor._output_nr, tensor._requires_grad = node, 0, True
    return tensor


def _attribute(self: Node, name: str) -> Any:
    """An attribute that is not the node's own: an argument of its op, or its result."""
    raw = name.startswith(_RAW)
    title = name.removeprefix(_RAW if raw else _SAVED)
    if title != name:
        whole = title.endswith(_SIZES)
        found = _kept(self, title.removesuffix(_SIZES), raw, whole)
        if found is not _ABSENT:
            return found
    raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


_ABSENT = object()


def _kept(node: Node, title: str, raw: bool, size: bool) -> Any:
    known = "input" if title == "self" else title
    if title != "result" and known not in node.row.names:
        return _ABSENT
    if node.leaves is None:
        raise RuntimeError(FREED)
    if title == "result":
        return _result(node) if _saving.keeps_result(node.row) and not (raw or size) else _ABSENT
    place = _places(node)[known]
    if not isinstance(place, _Place):
        if isinstance(place, tuple) and any(isinstance(one, _Place) for one in place):
            show = _Argument if raw else _tensor
            return tuple(show(node, one) for one in place)
        return _ABSENT if raw or size else place
    held = node.leaves[place]
    if size:
        return Size(held.shape)
    if isinstance(held, _saving.ABSENT):
        return _ABSENT
    return _Argument(node, place) if raw else _tensor(node, place)


Node.__getattr__ = _attribute  # type: ignore[attr-defined]
