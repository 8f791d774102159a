"""Elements in another order, triangles and diagonals: results that are copies."""

from __future__ import annotations

from jax import numpy as jnp

from torchcompat._ops._common import wrap_dim, wrap_dims
from torchcompat._ops._registry import Array, op


@op("torch", "method", varargs="dims")
def flip(input: Array, dims: tuple[int, ...]) -> Array:
    """The elements in reverse order along the dimensions `dims`."""
    dims = (dims,) if isinstance(dims, int) else dims
    return jnp.flip(input, wrap_dims(dims, input.ndim)) if dims else input


@op("torch", "method", grad="FlipBackward0")
def fliplr(input: Array) -> Array:
    """The columns in reverse order."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return jnp.flip(input, 1)


@op("torch", "method", grad="FlipBackward0")
def flipud(input: Array) -> Array:
    """The rows in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return jnp.flip(input, 0)


@op("torch", "method")
def roll(input: Array, shifts: int | tuple[int, ...], dims: int | tuple[int, ...] = ()) -> Array:
    """The elements moved on along `dims` (or the flattened tensor) by `shifts`, wrapping round."""
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    dims = (dims,) if isinstance(dims, int) else dims
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return jnp.roll(input, shifts[0])
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    return jnp.roll(input, shifts, [wrap_dim(d, input.ndim) for d in dims])


@op("torch", "method")
def rot90(input: Array, k: int = 1, dims: tuple[int, ...] = (0, 1)) -> Array:
    """The plane of two dimensions turned `k` times by 90 degrees, from the first to the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    first, second = (wrap_dim(d, input.ndim) for d in dims)
    if first == second:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    return jnp.rot90(input, k, (first, second))


def _matrix(name: str, input: Array) -> Array:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return input


@op("torch", "method", "inplace")
def tril(input: Array, diagonal: int = 0) -> Array:
    """The lower triangle of each matrix, up to `diagonal`; zeros elsewhere."""
    return jnp.tril(_matrix("tril", input), diagonal)


@op("torch", "method", "inplace")
def triu(input: Array, diagonal: int = 0) -> Array:
    """The upper triangle of each matrix, from `diagonal` on; zeros elsewhere."""
    return jnp.triu(_matrix("triu", input), diagonal)


@op("torch", "method")
def diag_embed(input: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """Matrices, in dimensions `dim1` and `dim2`, with the last dimension as their diagonals."""
    first, second = (wrap_dim(d, input.ndim + 1) for d in (dim1, dim2))
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    length = input.shape[-1] if input.ndim else 1
    side = length + abs(offset)
    row = jnp.arange(length) + max(-offset, 0)
    zeros = jnp.zeros((*input.shape[:-1], side, side), input.dtype)
    return jnp.moveaxis(zeros.at[..., row, row + offset].set(input), (-2, -1), (first, second))


@op(grad="DiagonalBackward0_copy")
def diagonal_copy(input: Array, offset: int = 0) -> Array:
    """The diagonal of a matrix, as a copy."""
    return jnp.diagonal(input, offset)


@op("torch", "method", grad="DiagEmbedBackward0")
def diagflat(input: Array, offset: int = 0) -> Array:
    """A matrix with the flattened tensor as its diagonal."""
    return jnp.diagflat(input, offset)
