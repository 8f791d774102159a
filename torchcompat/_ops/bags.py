"""Sums, means and maxima over bags of rows of a table."""

from __future__ import annotations

from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._errors import scalar
from torchcompat._ops._registry import Array, op
from torchcompat._ops._windows import IN_BOUNDS
from torchcompat._ops.embedding import embedding


@op(grad="EmbeddingBagBackward0")
def pooled_rows(
    weight: Array,
    indices: Array,
    offsets: Array,
    per_sample_weights: Array | None,
    mode: str,
    scale_grad_by_freq: bool,
    include_last_offset: bool,
    padding_idx: int,
) -> Array:
    """For each bag, the sum, mean or maximum of the rows that its indices name; 0 for an empty bag.

    Args:
        offsets: where in `indices` each bag begins; with `include_last_offset`, also the end, which
            torch heeds for sums (and not for the counts of means) of short floats without
            `padding_idx` alone: else the last bag goes to the end of `indices`.
        padding_idx: an index that does not count; negative for none.
    """
    _check_types(weight, indices, offsets, per_sample_weights)
    bags = offsets.shape[0] - include_last_offset
    rows = wide(embedding(weight, indices, padding_idx, scale_grad_by_freq))
    if per_sample_weights is not None:
        rows = rows * wide(per_sample_weights)[:, None]
    bag = jnp.where(indices == padding_idx, bags, _bag_of(indices, offsets[:bags]))
    if mode == "max":
        return _maxima(rows, bag, bags).astype(weight.dtype)
    heeded = padding_idx < 0 and weight.dtype.itemsize < 8
    added = _bag_of(indices, offsets) if heeded else bag
    total = jnp.zeros((bags, rows.shape[1]), rows.dtype).at[added].add(rows, mode="drop")
    if mode == "mean":
        count = jnp.zeros(bags, rows.dtype).at[bag].add(1, mode="drop")
        total = total / jnp.maximum(count, 1)[:, None]
    return total.astype(weight.dtype)


def _bag_of(indices: Array, offsets: Array) -> Array:
    """For each index the number of its bag; behind the last offset, that offset's."""
    positions = jnp.arange(indices.shape[0], dtype=jnp.int32)
    return jnp.searchsorted(offsets.astype(jnp.int32), positions, side="right") - 1


def _maxima(rows: Array, bag: Array, bags: int) -> Array:
    """The largest of each bag; the first of equals has the gradient."""
    count = rows.shape[0]
    if not count:
        return jnp.zeros((bags, rows.shape[1]), rows.dtype)
    first = _first_maxima(lax.stop_gradient(rows), bag, bags)
    found = jnp.take_along_axis(rows, jnp.minimum(first, count - 1), axis=0, mode=IN_BOUNDS)
    return jnp.where(first < count, found, 0)


def _first_maxima(rows: Array, bag: Array, bags: int) -> Array:
    """Where in `rows` the maxima of each bag come from; for an empty bag, behind the last."""
    best = jnp.full((bags, rows.shape[1]), -jnp.inf, rows.dtype).at[bag].max(rows, mode="drop")
    count = rows.shape[0]
    places = jnp.arange(count, dtype=jnp.int32)[:, None]
    highest = rows == best.at[jnp.minimum(bag, bags - 1)].get(mode=IN_BOUNDS)
    places = jnp.where(highest, places, count)
    return jnp.full(best.shape, count, jnp.int32).at[bag].min(places, mode="drop")


def _check_types(weight: Array, indices: Array, offsets: Array, per_sample: Array | None) -> None:
    where = "(while checking arguments for embedding_bag)"
    for name, x in (("indices", indices), ("offsets", offsets)):
        if x.dtype.name not in ("int32", "int64"):
            raise RuntimeError(
                f"Expected tensor for argument #1 '{name}' to have one of the following scalar "
                f"types: Long, Int; but got torch.{scalar(x)}Tensor instead {where}"
            )
    if not jnp.issubdtype(weight.dtype, jnp.floating):
        complex_one = jnp.issubdtype(weight.dtype, jnp.complexfloating)
        kind = f"CPU{scalar(weight)}Type" if complex_one else f"torch.{scalar(weight)}Tensor"
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: "
            f"Half, BFloat16, Float, Double; but got {kind} instead {where}"
        )
    if per_sample is not None and per_sample.dtype != weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument "
            f"#1 'per_sample_weights'; but type torch.{scalar(weight)}Tensor does not equal "
            f"torch.{scalar(per_sample)}Tensor {where}"
        )


@op(differentiable=False)
def bag_facts(
    weight: Array,
    indices: Array,
    offsets: Array,
    mode: int,
    include_last_offset: bool,
    padding_idx: int,
) -> tuple[Array, Array, Array]:
    """The bag of each index, how many of each bag's indices count, and where its maxima come from.

    As in torch, a sum over all its indices leaves the first empty and the others 0.
    """
    bags = offsets.shape[0] - include_last_offset
    none = jnp.zeros(bags if mode else offsets.shape[0], indices.dtype)
    if mode == 0 and padding_idx < 0:
        return jnp.zeros(0, indices.dtype), none, none
    bag = _bag_of(indices, offsets[:bags])
    if mode == 0:
        return bag.astype(indices.dtype), none, none
    counted = jnp.where(indices == padding_idx, bags, bag)  # out of range: dropped
    count = none.at[counted].add(1, mode="drop")
    source = count
    if mode == 2:
        rows = wide(embedding(weight, indices, -1, False))
        place = _first_maxima(rows, counted, bags)
        source = jnp.append(indices, 0)[jnp.where(place < len(indices), place, len(indices))]
    return bag.astype(indices.dtype), count, source
