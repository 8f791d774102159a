"""Several tensors as one, and one tensor several times over."""

from __future__ import annotations

from collections.abc import Sequence

from jax import numpy as jnp

from torchcompat._ops._common import cast, result_type, wrap_dim
from torchcompat._ops._registry import Array, op


def _same_type(tensors: Sequence[Array]) -> list[Array]:
    to = result_type(*tensors)
    return [cast(x, to) for x in tensors]


def _joinable(tensors: Sequence[Array], dim: int) -> list[Array]:
    """The tensors without torch's legacy empty vectors, checked for `cat`."""
    kept = [x for x in tensors if x.shape != (0,)]
    if not kept:
        return list(tensors)
    first = kept[0]
    for position, x in enumerate(tensors):
        if x.ndim == 0:
            raise RuntimeError(
                f"zero-dimensional tensor (at position {position}) cannot be concatenated"
            )
    axis = wrap_dim(dim, first.ndim)
    for position, x in enumerate(tensors):
        if x.shape == (0,):
            continue
        if x.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}"
            )
        for d in range(x.ndim):
            if d != axis and x.shape[d] != first.shape[d]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size "
                    f"{first.shape[d]} but got size {x.shape[d]} for tensor number {position} in "
                    "the list."
                )
    return kept


@op("torch", aliases=("concat", "concatenate"))
def cat(tensors: Sequence[Array], dim: int = 0) -> Array:
    """The tensors one after another along an existing dimension."""
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    to = result_type(*tensors)
    kept = _joinable(tensors, dim)
    return jnp.concatenate([cast(x, to) for x in kept], wrap_dim(dim, kept[0].ndim))


@op("torch")
def stack(tensors: Sequence[Array], dim: int = 0) -> Array:
    """The tensors, all of one size, along a new dimension."""
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    dim = wrap_dim(dim, tensors[0].ndim + 1)
    for position, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at "
                f"entry 0 and {list(x.shape)} at entry {position}"
            )
    return jnp.stack(_same_type(tensors), dim)


def _not_empty(name: str, tensors: Sequence[Array]) -> None:
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


@op("torch", grad="CatBackward0")
def hstack(tensors: Sequence[Array]) -> Array:
    """The tensors side by side: along the second dimension, or the first of vectors."""
    _not_empty("hstack", tensors)
    tensors = [jnp.atleast_1d(x) for x in tensors]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@op("torch", aliases=("row_stack",), grad="CatBackward0")
def vstack(tensors: Sequence[Array]) -> Array:
    """The tensors one above another, vectors as rows."""
    _not_empty("vstack", tensors)
    return cat([jnp.atleast_2d(x) for x in tensors], 0)


@op("torch", grad="CatBackward0")
def dstack(tensors: Sequence[Array]) -> Array:
    """The tensors along the third dimension."""
    _not_empty("dstack", tensors)
    return cat([jnp.atleast_3d(x) for x in tensors], 2)


@op("torch", grad="CatBackward0")
def column_stack(tensors: Sequence[Array]) -> Array:
    """The tensors side by side, vectors as columns."""
    _not_empty("column_stack", tensors)
    return cat([x.reshape(x.size, 1) if x.ndim < 2 else x for x in tensors], 1)


def _tiled(input: Array, times: tuple[int, ...]) -> Array:
    full = (1,) * (len(times) - input.ndim) + input.shape
    if any(n < 0 for n in times):
        sizes = [a * b for a, b in zip(times, full)]
        wrong = next(n for n in sizes if n < 0) if min(sizes) < 0 else -1
        raise RuntimeError(f"Trying to create tensor with negative dimension {wrong}: {sizes}")
    return jnp.tile(input, times)


@op("method", varargs="repeats")
def repeat(input: Array, repeats: tuple[int, ...]) -> Array:
    """The tensor repeated so many times along each dimension; new dimensions come first."""
    if len(repeats) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    return _tiled(input, repeats)


@op("torch", "method", varargs="dims", grad="RepeatBackward0")
def tile(input: Array, dims: tuple[int, ...]) -> Array:
    """The tensor repeated so many times along its last dimensions."""
    return _tiled(input, (1,) * (input.ndim - len(dims)) + dims)


@op(grad="IndexSelectBackward0")
def repeat_interleave_op(input: Array, repeats: Array, dim: int, total: int) -> Array:
    """Each slice along `dim` repeated `repeats` times, `total` slices in all."""
    return jnp.repeat(input, repeats, axis=wrap_dim(dim, input.ndim), total_repeat_length=total)


@op(grad="BlockDiagBackward0")
def block_diag_op(tensors: Sequence[Array]) -> Array:
    """The tensors along the diagonal of one matrix, zeros elsewhere."""
    for position, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                f"Input {position} has {x.ndim} dimensions"
            )
    blocks = [jnp.atleast_2d(x) for x in _same_type(tensors)]
    rows, columns = sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)
    result = jnp.zeros((rows, columns), blocks[0].dtype)
    row = column = 0
    for block in blocks:
        end = row + block.shape[0], column + block.shape[1]
        result = result.at[row : end[0], column : end[1]].set(block)
        row, column = end
    return result
