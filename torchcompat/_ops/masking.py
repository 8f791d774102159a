"""Choosing by truth values: where, masked_fill, masked_scatter; and searching sorted values."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import numpy as jnp

from torchcompat._ops._checks import known
from torchcompat._ops._common import cast, dtype_of, promote
from torchcompat._ops._errors import cpp_name, scalar, sizes
from torchcompat._ops._pointwise import check_broadcast
from torchcompat._ops._registry import Array, op
from torchcompat._ops.convert import _to_copy
from torchcompat._ops.writing import check_number


@op(grad="WhereBackward0")
def where_op(condition: Array, input: Array, other: Array) -> Array:
    """`input` where the condition holds, `other` elsewhere; broadcast and promoted."""
    if condition.dtype.name not in ("bool", "uint8"):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar(condition)}"
        )
    input, other = promote(input, other)
    check_broadcast(condition, input, other)
    return jnp.where(condition.astype(bool), input, other)


def _check_value(input: Array, mask: Array, value: Any) -> None:
    if hasattr(value, "shape"):
        value = None if known(value) is None else known(value).item()
    check_number(value, dtype_of(input), half="c10")


@op("torch", "method", "inplace", verify=_check_value)
def masked_fill(input: Array, mask: Array, value: Array) -> Array:
    """`input` with one value where the mask holds."""
    value = jnp.asarray(value)
    if value.ndim:
        raise RuntimeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    check_broadcast(mask, input)
    if mask.dtype != np.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {cpp_name(mask)}"
        )
    return jnp.where(mask, _to_copy(value, dtype_of(input)), input)


def _check_source(input: Array, mask: Array, source: Array) -> None:
    values = known(mask)
    if values is None or values.dtype != np.bool_:
        return
    shape = np.broadcast_shapes(values.shape, input.shape)
    if np.broadcast_to(values, shape).sum() > source.size:
        raise RuntimeError("Number of elements of source < number of ones in mask")


@op("torch", "method", "inplace", verify=_check_source)
def masked_scatter(input: Array, mask: Array, source: Array) -> Array:
    """`input` with the elements of `source`, in order, where the mask holds."""
    if source.dtype != input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{scalar(input)} and {scalar(source)}"
        )
    if mask.dtype != np.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {scalar(mask)}"
        )
    check_broadcast(input, mask)
    input, mask = jnp.broadcast_arrays(input, mask)
    if not source.size:
        return input
    order = jnp.cumsum(mask.reshape(-1)).reshape(mask.shape) - 1
    taken = source.reshape(-1).at[jnp.maximum(order, 0)].get(mode="clip")
    return jnp.where(mask, taken, input)


@op(grad="MaskedSelectBackward0")
def masked_select_at(input: Array, spots: Array) -> Array:
    """The elements of the flattened tensor at known places."""
    return input.reshape(-1).at[spots].get(mode="promise_in_bounds")


# -- sorted values --------------------------------------------------------------------------------


def _check_boundaries(boundaries: Array, values: Array) -> None:
    if boundaries.ndim != 1 and boundaries.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {sizes(boundaries)} and input value tensor {sizes(values)}"
        )


@op("torch", differentiable=False)
def searchsorted(
    sorted_sequence: Array,
    input: Array,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Array | None = None,
) -> Array:
    """Where each value would go in an ascending sequence (the last dimension).

    Args:
        right: after equal elements instead of before them; `side="right"` means the same.
        sorter: indices that would sort the sequence.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while "
            "right was True"
        )
    values = jnp.asarray(input)
    _check_boundaries(sorted_sequence, values)
    if sorter is not None:
        sorted_sequence = jnp.take_along_axis(sorted_sequence, sorter, -1)
    sequence, values = promote(sorted_sequence, values)
    found = _positions(sequence, values, "right" if right or side == "right" else "left")
    return found.astype(np.int32 if out_int32 else np.int64)


def _positions(sequence: Array, values: Array, side: str) -> Array:
    if sequence.ndim == 1:
        return jnp.searchsorted(sequence, values, side=side)
    search = jnp.vectorize(
        lambda row, wanted: jnp.searchsorted(row, wanted, side=side), signature="(n),(m)->(m)"
    )
    return search(sequence, values)


@op("torch", differentiable=False)
def bucketize(
    input: Array, boundaries: Array, *, out_int32: bool = False, right: bool = False
) -> Array:
    """The bucket of each value among ascending boundaries."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@op("torch", differentiable=False)
def isin(
    elements: Array, test_elements: Array, *, assume_unique: bool = False, invert: bool = False
) -> Array:
    """Whether each element is one of the test elements."""
    elements, tests = promote(elements, test_elements)
    return jnp.isin(elements, tests, assume_unique=assume_unique, invert=invert)


@op(differentiable=False)
def one_hot_op(input: Array, num_classes: int) -> Array:
    """A vector for each class index, one at its place and zero elsewhere."""
    classes = jnp.arange(num_classes, dtype=input.dtype)
    return cast(input[..., None] == classes, dtype_of(input))
