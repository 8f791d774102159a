"""Views under another data type: `view(dtype)`, `view_as_real`, `view_as_complex` and their kin."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype, _layout
from torchcompat._layout import Layout
from torchcompat._ops import reinterpret
from torchcompat._ops._registry import ROWS
from torchcompat._tensor import _dispatch
from torchcompat._tensor._cell import Cell, DerivedCell
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor

__all__ = ["imag", "real", "view_as_complex", "view_as_real"]


@partial(jax.jit, static_argnums=1)
def _reinterpret(storage: jax.Array, kind: np.dtype) -> jax.Array:
    return reinterpret.reinterpreted(storage.reshape(-1), kind)


@jax.jit
def _put_back(storage: jax.Array, value: jax.Array) -> jax.Array:
    flat = reinterpret.reinterpreted(value, storage.dtype)
    return storage.reshape(-1).at[: flat.size].set(flat).reshape(storage.shape)


class BitCell(DerivedCell):
    """A storage seen as elements of another type."""

    __slots__ = ("kind",)

    def __init__(self, root: Cell, kind: np.dtype) -> None:
        super().__init__(root)
        self.kind = kind

    def _derived(self, held: Any) -> Any:
        if isinstance(held, jax.ShapeDtypeStruct):
            count = held.size * held.dtype.itemsize // self.kind.itemsize
            return jax.ShapeDtypeStruct((count,), self.kind)
        with jax.enable_x64(True):
            return _reinterpret(held, self.kind)

    def write(self, value: Any) -> None:
        with jax.enable_x64(True):
            self.root.write(_put_back(self.root.value, value))


def _as_type(source: Tensor, to: _dtype.dtype, layout: Layout) -> Tensor:
    """The view of `source` with elements of type `to`; `layout` counts in those."""
    cell = source._cell.root
    result = _dispatch.viewed(source, layout)
    result._cell = cell if cell.value.dtype == to.numpy else BitCell(cell, to.numpy)
    shape = tuple(result._cell.value.shape)
    result._layout = None if layout == _layout.contiguous(shape) else layout
    return result


def view_dtype(input: Tensor, to: _dtype.dtype) -> Tensor:
    """The same bytes as elements of type `to`; the last dimension grows or shrinks to fit."""
    size, stride, offset = layout = input._layout_now()
    have, want = input.dtype.itemsize, to.itemsize
    if have == want:
        return _as_type(input, to, layout)
    between = (
        f"to view {_dtype.scalar_name(input.dtype)} as {_dtype.scalar_name(to)} "
        "(different element sizes)"
    )
    if not size:
        raise RuntimeError(f"self.dim() cannot be 0 {between}")
    if stride[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 {between}, but got {stride[-1]}")
    if have > want:
        n = have // want
        stride = (*(s * n for s in stride[:-1]), 1)
        return _as_type(input, to, ((*size[:-1], size[-1] * n), stride, offset * n))
    n = want // have
    counted = [("size(-1)", size[-1]), ("storage_offset()", offset)]
    counted += [(f"stride({d})", s) for d, s in enumerate(stride[:-1])]
    for what, value in counted:
        if value % n:
            raise RuntimeError(f"self.{what} must be divisible by {n} {between}, but got {value}")
    stride = (*(s // n for s in stride[:-1]), 1)
    return _as_type(input, to, ((*size[:-1], size[-1] // n), stride, offset // n))


def _recording(name: str, source: Tensor, result: Tensor) -> Tensor:
    if source._requires_grad and state.grad_enabled:
        node = _dispatch.recorded_view(ROWS[name], (source,))
        node.made(result, 0, tuple(result.shape), result._cell.value.dtype)
    return result


@_dispatch.method
def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as pairs of their real and imaginary parts, in a new last dimension."""
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    size, stride, offset = input._layout_now()
    layout = (*size, 2), (*(2 * s for s in stride), 1), 2 * offset
    return _recording("view_as_real", input, _as_type(input, input.dtype.to_real(), layout))


@_dispatch.method
def view_as_complex(input: Tensor) -> Tensor:
    """Pairs in the last dimension as complex numbers."""
    jax.eval_shape(
        reinterpret.view_as_complex, jax.ShapeDtypeStruct(input.shape, input.dtype.numpy)
    )
    size, stride, offset = input._layout_now()
    if stride[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % 2 for s in stride[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if offset % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    layout = size[:-1], tuple(s // 2 for s in stride[:-1]), offset // 2
    return _recording("view_as_complex", input, _as_type(input, input.dtype.to_complex(), layout))


@_dispatch.lifted
def real(input: Tensor) -> Tensor:
    """The real part, as a view; a tensor that is not complex is its own real part."""
    return view_as_real(input).select(-1, 0) if input.dtype.is_complex else input


@_dispatch.lifted
def imag(input: Tensor) -> Tensor:
    """The imaginary part, as a view.

    Raises:
        RuntimeError: the tensor is not complex.
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return view_as_real(input).select(-1, 1)


def _set_real(self: Tensor, value: Tensor) -> None:
    real(self).copy_(value)


def _set_imag(self: Tensor, value: Tensor) -> None:
    imag(self).copy_(value)


Tensor.real = property(real, _set_real, doc=real.__doc__)
Tensor.imag = property(imag, _set_imag, doc=imag.__doc__)
