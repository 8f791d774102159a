"""Views that read a storage otherwise: `view(dtype)`, `view_as_real`, `conj` and their kin."""

from __future__ import annotations

from typing import Any

import jax

from torchcompat import _dtype, _layout
from torchcompat._layout import Layout
from torchcompat._ops import reinterpret
from torchcompat._ops._registry import ROWS
from torchcompat._tensor import _dispatch
from torchcompat._tensor._cell import Cell, DerivedCell
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "_conj",
    "_neg_view",
    "conj",
    "imag",
    "is_conj",
    "is_neg",
    "real",
    "resolve_conj",
    "resolve_neg",
    "view_as_complex",
    "view_as_real",
]


_seen = jax.jit(reinterpret.seen, static_argnums=1)
_put_back = jax.jit(reinterpret.put_back, static_argnums=2)


class BitCell(DerivedCell):
    """A storage seen as elements of another type, as conjugates or with the other sign.

    Args:
        how: the type, `"conj"` or `"neg"`.
    """

    __slots__ = ("how",)

    def __init__(self, source: Cell, how: reinterpret.How) -> None:
        super().__init__(source)
        self.how = how

    def _derived(self, held: Any) -> Any:
        if isinstance(held, jax.ShapeDtypeStruct):
            if isinstance(self.how, str):
                return held
            count = held.size * held.dtype.itemsize // self.how.itemsize
            return jax.ShapeDtypeStruct((count,), self.how)
        with jax.enable_x64(True):
            return _seen(held, self.how)

    def write(self, value: Any) -> None:
        with jax.enable_x64(True):
            self.source.write(_put_back(self.source.value, value, self.how))


def turned(tensor: Tensor) -> str:
    """`"conj"` or `"neg"` where the tensor is seen so, else an empty text."""
    how = getattr(tensor._cell, "how", "")
    return how if isinstance(how, str) else ""


def _over(cell: Cell, source: Tensor, layout: Layout) -> Tensor:
    """The view of `source` with this layout over `cell`, a reading of its storage."""
    result = _dispatch.viewed(source, layout)
    result._cell = cell
    shape = tuple(cell.value.shape)
    result._layout = None if layout == _layout.contiguous(shape) else layout
    return result


def _as_type(source: Tensor, to: _dtype.dtype, layout: Layout) -> Tensor:
    """The view of `source` with elements of type `to`; `layout` counts in those."""
    cell: Any = source._cell
    if isinstance(cell, BitCell) and not turned(source):
        cell = cell.source
    return _over(cell if cell.value.dtype == to.numpy else BitCell(cell, to.numpy), source, layout)


def _turned(source: Tensor, how: str) -> Tensor:
    """The view of `source` as conjugates or with the other sign; the second time undoes the first."""
    cell: Any = source._cell
    other = cell.source if getattr(cell, "how", "") == how else BitCell(cell, how)
    return _over(other, source, source._layout_now())


@_dispatch.method
def conj(input: Tensor) -> Tensor:
    """The complex conjugate, as a view; a tensor that is not complex itself."""
    return _recording("conj", input, _turned(input, "conj")) if input.dtype.is_complex else input


@_dispatch.lifted
def _neg_view(input: Tensor) -> Tensor:
    """The numbers with the other sign, as a view."""
    return _recording("neg_view", input, _turned(input, "neg"))


@_dispatch.method
def resolve_conj(input: Tensor) -> Tensor:
    """A copy of a tensor that is seen as conjugates; any other tensor itself."""
    return _dispatch.call(ROWS["clone"], (input, None)) if turned(input) == "conj" else input


@_dispatch.method
def resolve_neg(input: Tensor) -> Tensor:
    """A copy of a tensor that is seen with the other sign; any other tensor itself."""
    return _dispatch.call(ROWS["clone"], (input, None)) if turned(input) == "neg" else input


@_dispatch.lifted
def is_conj(input: Tensor) -> bool:
    """Whether the tensor is a view of another's conjugates."""
    return turned(input) == "conj"


@_dispatch.lifted
def is_neg(input: Tensor) -> bool:
    """Whether the tensor is a view of another's numbers with the other sign."""
    return turned(input) == "neg"


def view_dtype(input: Tensor, to: _dtype.dtype) -> Tensor:
    """The same bytes as elements of type `to`; the last dimension grows or shrinks to fit."""
    size, stride, offset = layout = input._layout_now()
    have, want = input.dtype.itemsize, to.itemsize
    if turned(input):
        kind = "conjugate view tensors" if is_conj(input) else "tensors with negative bit set"
        raise RuntimeError(
            f"torch.Tensor.view is not supported for {kind} when converting to a different dtype."
        )
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
    if state.grad_enabled and source.requires_grad:
        node = _dispatch.recorded_view(ROWS[name], (source,))
        node.made(result, 0, tuple(result.shape), result._cell.value.dtype)
    return result


@_dispatch.method
def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as pairs of their real and imaginary parts, in a new last dimension."""
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    if is_conj(input):
        raise RuntimeError(
            "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate "
            "tensor so you can view it as real, use self.resolve_conj(); however, be warned that the "
            "resulting tensor will NOT alias the original."
        )
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
    if not input.dtype.is_complex:
        return input
    return view_as_real(conj(input) if is_conj(input) else input).select(-1, 0)


@_dispatch.lifted
def imag(input: Tensor) -> Tensor:
    """The imaginary part, as a view.

    Raises:
        RuntimeError: the tensor is not complex.
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    if is_conj(input):
        return _neg_view(view_as_real(conj(input))).select(-1, 1)
    return view_as_real(input).select(-1, 1)


def _set_real(self: Tensor, value: Tensor) -> None:
    real(self).copy_(value)


def _set_imag(self: Tensor, value: Tensor) -> None:
    imag(self).copy_(value)


Tensor.real = property(real, _set_real, doc=real.__doc__)
Tensor.imag = property(imag, _set_imag, doc=imag.__doc__)
Tensor.is_conj, Tensor.is_neg = is_conj, is_neg
Tensor._conj, Tensor._neg_view = _conj, _neg_view = conj, _neg_view
