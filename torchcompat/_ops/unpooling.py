"""The inverse of maximum pooling: values go back to where their indices say, zeros elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax
from jax import numpy as jnp

from torchcompat._ops._checks import known
from torchcompat._ops._errors import not_implemented, scalar, sizes
from torchcompat._ops._registry import Array, op


def _make(n: int) -> None:
    def unpool(input: Array, indices: Array, output_size: Sequence[int]) -> Array:
        """The input's values at `indices` of flattened planes of `output_size`; zeros elsewhere."""
        x, index = _as_planes(n, input, indices)
        leading = x.shape[: x.ndim - max(n, 2)]
        held, count = math.prod(x.shape[len(leading) :]), math.prod(output_size)
        flat = _placed(x.reshape(*leading, held), index.reshape(*leading, held), count)
        return flat.reshape(*leading, *output_size)

    node = "SqueezeBackward1" if n == 1 else f"MaxUnpool{n}DBackward0"
    op(name=f"max_unpool{n}d", check=_index_check(n), grad=node)(unpool)


def _as_planes(n: int, input: Array, indices: Array) -> tuple[Array, Array]:
    """Values and indices, checked; torch unpools one dimension as planes of width 1."""
    planes = max(n, 2)
    ones = (1,) * (planes - n)
    pair = input.reshape(*input.shape, *ones), indices.reshape(*indices.shape, *ones)
    _check(planes, *pair)
    return pair


def _index_check(n: int) -> Callable:
    """Refuses indices outside of the planes, where they are known."""

    def check(input: Array, indices: Array, output_size: Sequence[int]) -> None:
        _as_planes(n, input, indices)
        values = known(indices)
        if values is None or values.dtype.kind != "i" or not math.prod(output_size):
            return
        wrong = values[(values < 0) | (values >= math.prod(output_size))]
        if wrong.size:
            shown = "x".join(map(str, (*output_size, 1) if n == 1 else output_size))
            raise RuntimeError(
                f"Found an invalid max index: {wrong.reshape(-1)[-1]} (output volumes are of size "
                f"{shown})"
            )

    return check


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _placed(x: Array, index: Array, count: int) -> Array:
    """`x` `(*, P)` at `index` of rows of `count` zeros. Of values for one place one is kept.

    The gradient of each of these is the place's, as in torch.
    """
    return _scattered(x, index, count, "set")


@_placed.defjvp
def _placed_jvp(count, primals, tangents):
    x, index = primals
    return _placed(x, index, count), _scattered(tangents[0], index, count, "add")


def _scattered(x: Array, index: Array, count: int, how: str) -> Array:
    rows = math.prod(x.shape[:-1])
    first = (jnp.arange(rows, dtype=jnp.int32) * count)[:, None]
    index = index.astype(jnp.int32).reshape(rows, x.shape[-1])
    outside = (index < 0) | (index >= count)
    where = jnp.where(outside, rows * count, index + first).reshape(-1)
    zeros = jnp.zeros(rows * count, x.dtype)
    out = getattr(zeros.at[where], how)(x.reshape(-1), mode="drop")
    return out.reshape(*x.shape[:-1], count)


def _check(n: int, input: Array, indices: Array) -> None:
    if indices.dtype.name != "int64":
        but = f" but got: {scalar(indices)}" if n == 2 else ""
        raise RuntimeError(f"elements in indices should be type int64{but}")
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, "
            f"but got a tensor with {input.ndim} dimensions."
        )
    if input.shape != indices.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({sizes(input)}) "
            f"but got indices tensor with shape: {sizes(indices)}"
        )
    for dim in range(1, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                f"max_unpooling{n}d_forward_out_cpu(): Expected input to have non-zero size for "
                f"non-batch dimensions, but got {sizes(input)} with dimension {dim} being empty."
            )
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise not_implemented(f"max_unpool{n}d", input)


for _n in (1, 2, 3):
    _make(_n)
