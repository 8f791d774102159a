"""Functions whose result size depends on values, or that torch overloads: `where`, `nonzero` ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._ops._checks import known, values_of
from torchcompat._ops._pointwise import check_broadcast
from torchcompat._tensor import _faces, ops
from torchcompat._tensor._dispatch import ARRAYS, lifted, method
from torchcompat._tensor._place import put
from torchcompat._tensor._spellings import spelled
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "argwhere",
    "masked_select",
    "narrow_copy",
    "nonzero",
    "take_along_dim",
    "unsafe_chunk",
    "unsafe_split",
    "where",
]

_UNSET: Any = object()


@method
def nonzero(input: Tensor, *, out: Any = None, as_tuple: bool = False) -> Any:
    """The coordinates of the elements that are not zero, one a row.

    Args:
        as_tuple: one tensor for each dimension instead, fit for indexing.
    """
    host = values_of("nonzero", input._read())
    if as_tuple:
        return ops.unbind(put(np.stack(np.nonzero(np.atleast_1d(host)))), 0)
    coordinates = np.nonzero(host) if input.ndim else np.zeros((0, int(bool(host))), np.int64)
    found = ops.transpose(put(np.stack(coordinates) if input.ndim else coordinates), 0, 1)
    return found if out is None else _faces.into(out, found, "nonzero")


@method
def argwhere(input: Tensor) -> Tensor:
    """The coordinates of the elements that are not zero, one a row."""
    return nonzero(input)


def where(
    condition: Any, input: Any = _UNSET, other: Any = _UNSET, *, out: Any = None, **named: Any
) -> Any:
    """`input` where the condition holds, `other` elsewhere; alone, where the condition is not zero.

    Args:
        input, other: tensors or numbers; broadcast and promoted.
    """
    input = named.get("self", input)
    if input is _UNSET and other is _UNSET:
        return nonzero(condition, as_tuple=True)
    if input is _UNSET or other is _UNSET or not isinstance(condition, (Tensor, *ARRAYS)):
        given = [type(x).__name__ for x in (condition, input, other) if x is not _UNSET]
        raise TypeError(
            f"where() received an invalid combination of arguments - got ({', '.join(given)}), but "
            "expected one of:\n * (Tensor condition)\n * (Tensor condition, Tensor input, Tensor "
            "other, *, Tensor out = None)\n * (Tensor condition, Number self, Tensor other)\n * "
            "(Tensor condition, Tensor input, Number other)\n * (Tensor condition, Number self, "
            "Number other)\n"
        )
    result = ops.where_op(condition, input, other)
    return result if out is None else _faces.into(out, result, "where")


def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor where the condition holds, `other` elsewhere."""
    return where(condition, self, other)


Tensor.where = _where


@method
def masked_select(input: Tensor, mask: Tensor, *, out: Any = None) -> Tensor:
    """The elements where the mask holds, in one dimension."""
    check_broadcast(mask, input)
    if mask.dtype is not _dtype.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = np.broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    host = np.broadcast_to(values_of("masked_select", mask._read()), shape)
    spots = put(np.nonzero(host.reshape(-1))[0])
    found = ops.masked_select_at(input.expand(shape), spots)
    return found if out is None else _faces.into(out, found, "masked_select")


@method
@spelled
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Any = None
) -> Tensor:
    """For each index, the element of `input` along `dim`, the other dimensions broadcast."""
    found = ops.take_along(input, indices, dim)
    return found if out is None else _faces.into(out, found, "take_along_dim")


@lifted
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """A vector for each class index, one at its place and zero elsewhere.

    Args:
        num_classes: the vectors' length; -1 takes the largest index plus one.
    """
    if input.dtype is not _dtype.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not input.numel() and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    host = known(input._read())
    if host is None and num_classes == -1:
        values_of("one_hot without num_classes", input._read())
    if host is not None and host.size:
        if host.min() < 0:
            raise RuntimeError("Class values must be non-negative.")
        if num_classes == -1:
            num_classes = int(host.max()) + 1
        elif host.max() >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    return ops.one_hot_op(input, num_classes)


@method
@spelled
def narrow_copy(input: Tensor, dim: int, start: int, length: int, *, out: Any = None) -> Tensor:
    """A copy of `narrow(dim, start, length)`."""
    copy = ops.clone(ops.narrow(input, dim, start, length))
    return copy if out is None else _faces.into(out, copy)


@method
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk`; the pieces may be written to as if they were not views."""
    return unwatched(ops.chunk(input, chunks, dim))


@method
def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split`; the pieces may be written to as if they were not views."""
    return unwatched(ops.split_every(input, split_size, dim))


def unwatched(views: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Views of which autograd forgets that they are some."""
    for view in views:
        view._is_view_of = view._graph_version = view._closed = None
    return views
