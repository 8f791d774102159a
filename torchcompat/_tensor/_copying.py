"""Copying and pickling tensors, with the sharing of storages kept."""

from __future__ import annotations

import copy
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _layout
from torchcompat._tensor._bits import BitCell
from torchcompat._tensor._cell import Cell
from torchcompat._tensor._tensor import Tensor, blank, from_cell


def copy_cell(cell: Cell, memo: dict) -> Cell:
    """A storage of its own with the same values; one copy of each storage for one `memo`."""
    if isinstance(cell, BitCell):
        if isinstance(cell.how, str):  # as in torch, a conjugate's copy is no view of a copy
            return Cell(cell.value)
        return BitCell(copy_cell(cell.source, memo), cell.how)
    root = cell.root
    copied = memo.get(id(root))
    if copied is None:
        value = root.value
        if not isinstance(value, jax.ShapeDtypeStruct):
            with jax.enable_x64(True):
                value = jnp.copy(value)
        copied = memo[id(root)] = Cell(value)
    return copied


def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    found = memo.get(id(self))
    if found is not None:
        return found
    if self._grad_fn is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol "
            "at the moment.  If you were attempting to deepcopy a module, this may be because of a "
            "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    result = blank(type(self))
    memo[id(self)] = result
    result._cell, result._layout = copy_cell(self._cell, memo), self._layout
    result._requires_grad = self._requires_grad
    if self._grad is not None:
        result._grad = copy.deepcopy(self._grad, memo)
    result.__dict__.update(copy.deepcopy(attributes_of(self), memo))
    return result


def _copy(self: Tensor) -> Tensor:
    """Another tensor over the same storage."""
    result = blank(type(self))
    result._cell, result._layout = self._cell, self._layout
    result._requires_grad = self._requires_grad
    result.__dict__.update(attributes_of(self))
    return result


def attributes_of(tensor: Tensor) -> dict:
    """What the user has set on the tensor; what autograd keeps there is left out."""
    return {name: x for name, x in tensor.__dict__.items() if name not in _OF_AUTOGRAD}


_OF_AUTOGRAD = frozenset(
    ("_accumulator", "_idle_hooks", "_retains_grad", "_tangent", "_version_ahead")
)


def _restore_cell(data: np.ndarray) -> Cell:
    with jax.enable_x64(True):
        return Cell(jax.device_put(data))


def _restore_meta_cell(shape: tuple[int, ...], kind: np.dtype) -> Cell:
    return Cell(jax.ShapeDtypeStruct(shape, kind))


def _restore(
    kind: type, cell: Cell, layout: _layout.Layout, requires_grad: bool, state: dict
) -> Tensor:
    plain = from_cell(cell, *layout)
    result = blank(kind)
    result._cell, result._layout = plain._cell, plain._layout
    result._requires_grad = requires_grad
    result.__dict__.update(state)
    return result


def _reduce_cell(self: Cell) -> tuple:
    value = self.value
    if isinstance(value, jax.ShapeDtypeStruct):
        return _restore_meta_cell, (tuple(value.shape), value.dtype)
    return _restore_cell, (np.asarray(value),)


def _reduce(self: Tensor, protocol: Any) -> tuple:
    layout, state = self._layout_now(), attributes_of(self)
    return _restore, (type(self), self._cell, layout, self._requires_grad, state)


def _reduce_bits(self: BitCell) -> tuple:
    return BitCell, (self.source, self.how)


Cell.__reduce__ = _reduce_cell  # type: ignore[method-assign]
BitCell.__reduce__ = _reduce_bits  # type: ignore[method-assign]
Tensor.__deepcopy__ = _deepcopy
Tensor.__copy__ = _copy
Tensor.__reduce_ex__ = _reduce  # type: ignore[method-assign]
