"""Embedding: lookup with a padding row, and renormalisation of the table in place."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from torchcompat import _device
from torchcompat._tensor import ops
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._faces import write
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
        _no_grad_embedding_renorm_(weight, input, max_norm, norm_type)
    return ops.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _check_indices(indices: Any, rows: int) -> None:
    array = as_array(indices)
    if not isinstance(array, jax.Array) or isinstance(array, jax.core.Tracer):
        return
    if _device.of_array(array).type != "cpu" or not array.size or array.dtype.kind != "i":
        return
    values = np.asarray(array)
    if values.min() < 0 or values.max() >= rows:
        raise IndexError("index out of range in self")


@no_grad
def _no_grad_embedding_renorm_(
    weight: Tensor, input: Tensor, max_norm: float, norm_type: float
) -> Tensor:
    return write(weight, ops.embedding_renorm(weight, input, float(max_norm), float(norm_type)))
