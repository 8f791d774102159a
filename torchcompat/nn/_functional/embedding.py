"""Embedding: lookup of rows and of bags of rows, and renormalisation of the table in place."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from torchcompat import _device
from torchcompat._tensor import ops
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._creation import zeros
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._faces import write
from torchcompat._tensor._steps import arange
from torchcompat._tensor._tensor import Tensor, as_array


@lifted
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `input` names.

    Args:
        padding_idx: a row that gets no gradient; negative counts from the end.
        max_norm: first scale rows of a larger norm down to it, in place.
        scale_grad_by_freq: divide each row's gradient by how often the row was asked for.
        sparse: accepted; gradients are dense in JAX.

    Shape:
        input `(*)` of int32 or int64, weight `(rows, features)`; output `(*, features)`.

    Raises:
        IndexError: an index lies outside the table. Checked where reading the indices needs no
            transfer from an accelerator; elsewhere, and under tracing, such a row is NaN.
    """
    rows = weight.shape[0] if weight.ndim else 0
    if padding_idx is None:
        padding_idx = -1
    elif not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    elif padding_idx < 0:
        padding_idx += rows
    if weight.ndim == 2:
        _check_indices(input, rows)
    if max_norm is not None:
        _no_grad_embedding_renorm_(weight, input, max_norm, norm_type)  # type: ignore[call-arg]
    return ops.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _values(x: Any) -> np.ndarray | None:
    """An array's values, where reading them needs no transfer from an accelerator."""
    array = as_array(x)
    if not isinstance(array, jax.Array) or isinstance(array, jax.core.Tracer):
        return None
    return np.asarray(array) if _device.of_array(array).type == "cpu" else None


def _check_indices(indices: Any, rows: int) -> None:
    values = _values(indices)
    if values is None or not values.size or values.dtype.kind != "i":
        return
    if values.min() < 0 or values.max() >= rows:
        raise IndexError("index out of range in self")


@no_grad
def _no_grad_embedding_renorm_(
    weight: Tensor, input: Tensor, max_norm: float, norm_type: float
) -> Tensor:
    return write(weight, ops.embedding_renorm(weight, input, float(max_norm), float(norm_type)))


@lifted
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of `weight` that each bag of indices names.

    Args:
        offsets: for a 1D input, where each bag begins; with `include_last_offset`, also the end.
        per_sample_weights: factors of the rows, for `mode="sum"`.
        padding_idx: an index that does not count; negative counts from the end.

    Shape:
        input `(B, N)` or `(N)`, weight `(rows, features)`; output `(B, features)`.
    """
    _check_bags(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights)
    if offsets is None:
        bags, length = input.shape
        offsets = arange(0, bags * length, length) if length else zeros(bags, dtype=input.dtype)
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    padding_idx = _bag_padding(padding_idx, weight.shape[0])
    _check_bag_values(input, offsets, weight.shape[0], include_last_offset)
    if max_norm is not None:
        _no_grad_embedding_renorm_(weight, input, max_norm, norm_type)  # type: ignore[call-arg]
    return ops.pooled_rows(
        weight,
        input,
        offsets,
        per_sample_weights,
        mode,
        scale_grad_by_freq,
        include_last_offset,
        padding_idx,
    )


def _check_bags(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample) -> None:
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if per_sample is not None and input.shape != per_sample.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample.shape}) is not None, then it must "
            f"have the same shape as the input ({input.shape})"
        )
    _check_offsets(input, offsets)
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )


def _check_offsets(input: Tensor, offsets: Tensor | None) -> None:
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        return
    if input.ndim != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")


def _bag_padding(padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, "
            f"but got {padding_idx}"
        )
    return padding_idx % rows


def _check_bag_values(input: Tensor, offsets: Tensor, rows: int, include_last: bool) -> None:
    if include_last and not offsets.shape[0]:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    starts = _values(offsets)
    if starts is not None and starts.size and starts.dtype.kind == "i":
        if starts[0] != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start "
                f"from position 0. However, got {starts[0]}"
            )
        if starts[-1] > input.shape[0]:
            raise RuntimeError(
                "offsets[-1] can not be greater than input's length "
                f"{input.shape[0]} but got offsets[-1] of {starts[-1]}"
            )
    values = _values(input)
    if values is None or values.dtype.kind != "i":
        return
    for at in np.flatnonzero((values < 0) | (values >= rows))[:1]:
        raise RuntimeError(
            f"Index {at} of input takes value {values[at]} which is not in the valid range "
            f"[0, {rows})"
        )
