"""Views that torch overloads, or makes of other views: `view`, `reshape`, `squeeze`, `split` ..."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torchcompat import _dtype, _layout
from torchcompat._ops import shape as _shape
from torchcompat._ops import slicing as _slicing
from torchcompat._tensor import _bits, _faces, ops
from torchcompat._tensor._dispatch import _freeze, method
from torchcompat._tensor._spellings import spelled
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "adjoint",
    "as_strided",
    "broadcast_to",
    "flatten",
    "ravel",
    "reshape",
    "squeeze",
    "unflatten",
]


def spread(values: tuple) -> tuple:
    """A size or list of dimensions given as one sequence or spread out, as a tuple of ints."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = values[0]
    return tuple(map(_freeze, values))


# -- sizes ---------------------------------------------------------------------------------------


def _view(self: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same elements under another size, or the same bytes under another dtype.

    Raises:
        RuntimeError: the size does not fit the elements or their strides.
    """
    shape = shape or tuple(named.values())
    if len(shape) == 1 and isinstance(shape[0], _dtype.dtype):
        return _bits.view_dtype(self, shape[0])
    size = spread(shape)
    if not shape or not all(isinstance(n, int) for n in size):
        got = ", ".join(type(one).__name__ for one in shape)
        raise TypeError(
            f"view() received an invalid combination of arguments - got ({got}), but expected one "
            "of:\n * (torch.dtype dtype)\n * (tuple of ints size)\n"
        )
    return ops.view(self, size)


Tensor.view = _view


@method
def reshape(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same elements under another size: a view where the strides allow one, else a copy."""
    if not shape and "shape" not in named:
        raise TypeError('reshape() missing 1 required positional arguments: "shape"')
    return _reshaped(input, spread(shape or (named["shape"],)))


def _reshaped(input: Tensor, size: tuple[int, ...]) -> Tensor:
    size = _shape.inferred(size, input.numel())
    if _layout.reshaped(input._layout_now(), size) is not None:
        return ops.view(input, size)
    return ops.unsafe_view(ops.clone(input), size)


@method
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """`self.view(other.size())`."""
    return ops.view(self, tuple(other.shape))


@method
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """`self.reshape(other.size())`."""
    return _reshaped(self, tuple(other.shape))


@method
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` as one.

    Raises:
        RuntimeError: `start_dim` comes after `end_dim`.
    """
    size = tuple(input.shape)
    first, last = (_shape.wrap_dim(d, len(size)) for d in (start_dim, end_dim))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not size:
        return _reshaped(input, (1,))
    if first == last:
        return input
    return _reshaped(input, (*size[:first], math.prod(size[first : last + 1]), *size[last + 1 :]))


@method
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension; a copy only where needed."""
    return ops.view(input if input.is_contiguous() else input.contiguous(), (-1,))


@method
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` as several of `sizes`, one of which may be -1."""
    if isinstance(sizes, int):
        raise TypeError("unflatten(): argument 'sizes' (position 2) must be tuple of ints, not int")
    size, sizes = tuple(input.shape), spread((sizes,))
    dim = _shape.wrap_dim(dim, len(size))
    if not size:
        raise RuntimeError(
            "unflatten got an unexpected error:\n"
            f"Dimension specified as {dim} but tensor has no dimensions"
        )
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        inside = _shape.inferred(sizes, size[dim])
    except RuntimeError as error:
        if "is invalid for input" not in str(error):
            raise
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({size[dim]}) in the input tensor"
        ) from None
    return ops.view(input, (*size[:dim], *inside, *size[dim + 1 :]))


@method
@spelled
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those among `dim`."""
    if dim is None:
        return ops.squeeze_all(input)
    if isinstance(dim, (tuple, list)):
        return ops.squeeze_dims(input, tuple(dim))
    return ops.squeeze_dim(input, dim)


def _expand(self: Tensor, *size: Any, **named: Any) -> Tensor:
    """Broadcast to `size` without a copy; -1 keeps a dimension's size."""
    size = spread(size or (named.pop("size"),))
    if len(size) < self.ndim:
        raise RuntimeError(
            f"expand({_type_name(self)}{{{list(self.shape)}}}, size={list(size)}): the number of "
            f"sizes provided ({len(size)}) must be greater or equal to the number of dimensions in "
            f"the tensor ({self.ndim})"
        )
    return ops.expand(self, size)


Tensor.expand = _expand


def _type_name(tensor: Tensor) -> str:
    return f"torch.{_dtype.scalar_name(tensor.dtype)}Tensor"


@method
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`self.expand(other.size())`."""
    return _expand(self, tuple(other.shape))


@method
def broadcast_to(input: Tensor, *size: Any, **named: Any) -> Tensor:
    """`input.expand(size)`."""
    return _expand(input, *size, **named)


@method
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view of any size, stride and offset over the tensor's storage.

    Raises:
        RuntimeError: it would reach outside of the storage.
    """
    size, stride = spread((size,)), spread((stride,))
    offset = input.storage_offset() if storage_offset is None else storage_offset
    held = math.prod(input._cell.value.shape)
    _slicing.check_storage((size, stride, offset), held, input.dtype.itemsize)
    return ops.as_strided(input, size, stride, offset)


# -- transposes ----------------------------------------------------------------------------------


def _transposed_T(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    return self.permute(tuple(reversed(range(self.ndim))))


def _check_matrices(self: Tensor, title: str) -> None:
    if self.ndim == 1:
        raise RuntimeError(
            f"tensor.{title} is only supported on matrices or batches of matrices. Got 1-D tensor."
        )


def _transposed_mT(self: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    _check_matrices(self, "mT")
    return ops.transpose(self, -2, -1)


def _conjugated(self: Tensor) -> Tensor:
    return self.conj() if self.dtype.is_complex else self


def _transposed_H(self: Tensor) -> Tensor:
    """The conjugate transpose of a matrix."""
    if self.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor."
            + (" For batches of matrices, consider using tensor.mH" if self.ndim > 2 else "")
        )
    return ops.transpose(_conjugated(self), 0, 1) if self.ndim else _conjugated(self)


def _transposed_mH(self: Tensor) -> Tensor:
    """The last two dimensions exchanged, conjugated."""
    _check_matrices(self, "mH")
    return ops.transpose(_conjugated(self), -2, -1)


@method
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, conjugated."""
    return _transposed_mH(input)


for _name, _function in (
    ("T", _transposed_T),
    ("mT", _transposed_mT),
    ("H", _transposed_H),
    ("mH", _transposed_mH),
):
    setattr(Tensor, _name, property(_function, doc=_function.__doc__))


def _inplace_view(plain: Any) -> Any:
    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        _faces.check_inplace(self)
        return _faces.relayout(self, plain(self, *args, **kwargs))

    inplace.__name__ = f"{plain.__name__}_"
    inplace.__doc__ = f"In-place version of `{plain.__name__}`."
    setattr(Tensor, inplace.__name__, inplace)
    return inplace


for _plain in (squeeze, as_strided):
    _inplace_view(_plain)
