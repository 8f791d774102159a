"""Rows of a table: lookup and renormalisation."""

from __future__ import annotations

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._errors import scalar
from torchcompat._ops._registry import Array, op
from torchcompat._ops._windows import IN_BOUNDS


@op("torch")
def embedding(
    weight: Array,
    indices: Array,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Array:
    """The rows of `weight` that `indices` name.

    Args:
        padding_idx: a row that gets no gradient; negative for none.
        scale_grad_by_freq: divide each row's gradient by how often the row was asked for.
        sparse: accepted; gradients are dense in JAX.

    An index outside the table cannot raise under tracing; it gives a row of NaN there.

    Shape:
        weight `(rows, features)`, indices `(*)`; output `(*, features)`.
    """
    check_table(weight, indices)
    rows = _rows(weight, indices)
    if scale_grad_by_freq:
        rows = _scaled_gradient(rows, 1 / _frequency(indices, weight.shape[0]))
    if padding_idx >= 0:
        padding = (indices == padding_idx)[..., None]
        rows = jnp.where(padding, lax.stop_gradient(rows), rows)
    return rows


def _rows(weight: Array, indices: Array) -> Array:
    """The rows that indices name; outside the table NaN, or the lowest integer."""
    count = weight.shape[0]
    missing = jnp.nan if jnp.issubdtype(weight.dtype, jnp.inexact) else jnp.iinfo(weight.dtype).min
    fill = jnp.asarray(missing).astype(weight.dtype)
    if not count:
        return jnp.full((*indices.shape, weight.shape[1]), fill)
    inside = (indices >= 0) & (indices < count)
    found = weight.at[jnp.where(inside, indices, 0).astype(jnp.int32)].get(mode=IN_BOUNDS)
    return jnp.where(inside[..., None], found, fill)


def check_table(weight: Array, indices: Array) -> None:
    """Raises torch's errors for a table or indices of the wrong rank or type."""
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices.dtype.name not in ("int32", "int64"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got torch.{scalar(indices)}Tensor instead "
            "(while checking arguments for embedding)"
        )


def _frequency(indices: Array, rows: int) -> Array:
    """For each index, how often it occurs among all, in a last dimension of size 1."""
    flat = indices.reshape(-1)
    counts = jnp.zeros(rows, jnp.int32).at[flat].add(1, mode="drop")
    return counts.at[indices].get(mode="clip")[..., None]


@jax.custom_jvp
def _scaled_gradient(x: Array, scale: Array) -> Array:
    """`x` itself, with a gradient multiplied by `scale`."""
    return x


@_scaled_gradient.defjvp
def _scaled_gradient_jvp(primals, tangents):
    x, scale = primals
    return x, tangents[0] * scale.astype(x.dtype)


@op(differentiable=False)
def embedding_renorm(weight: Array, indices: Array, max_norm: float, norm_type: float) -> Array:
    """`weight` with each row that `indices` name scaled down to a norm of at most `max_norm`."""
    check_table(weight, indices)
    named = jnp.zeros(weight.shape[0], bool).at[indices.reshape(-1)].set(True, mode="drop")
    table = wide(weight)
    norm = jnp.linalg.norm(table, norm_type, axis=1)
    scale = jnp.where(named & (norm > max_norm), max_norm / (norm + 1e-7), 1)
    return (table * scale[:, None].astype(table.dtype)).astype(weight.dtype)
