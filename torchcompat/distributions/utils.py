"""Helpers of distributions: broadcasting, logits and probabilities, lazily computed properties."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Number
from typing import Any

import torchcompat as torch

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]
euler_constant = 0.57721566490153286060


def broadcast_all(*values: Any) -> Any:
    """Tensors and numbers as tensors of one shape.

    Raises:
        ValueError: something is neither.
    """
    if not all(torch.is_tensor(v) or isinstance(v, Number) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
            "__torch_function__."
        )
    tensors = [v for v in values if torch.is_tensor(v)]
    if not tensors:
        kind: dict[str, Any] = {"dtype": torch.get_default_dtype()}
    else:
        kind = {"dtype": tensors[0].dtype, "device": tensors[0].device}
    made = [v if torch.is_tensor(v) else torch.tensor(v, **kind) for v in values]
    return torch.broadcast_tensors(*made)


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Any:
    zeros = torch.zeros(shape, dtype=dtype, device=device)
    return torch.normal(zeros, torch.ones(shape, dtype=dtype, device=device))


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` dimensions."""
    if dim == 0:
        return value
    return value.reshape(value.shape[:-dim] + (-1,)).sum(-1)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities of logits: their sigmoid if binary, else their softmax."""
    return torch.sigmoid(logits) if is_binary else logits.softmax(-1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept away from 0 and 1."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Logits of probabilities."""
    clamped = clamp_probs(probs)
    if is_binary:
        return torch.log(clamped) - torch.log1p(-clamped)
    return torch.log(clamped)


class lazy_property:
    """A property computed at the first use and kept."""

    def __init__(self, wrapped: Callable) -> None:
        self.wrapped = wrapped
        self.__name__, self.__doc__ = wrapped.__name__, wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.__name__, value)
        return value


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """The lower triangular matrix of a vector of its elements, row by row."""
    size = (
        -(1 + 2 * diag)
        + math.sqrt((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1))
    ) / 2
    n = round(size)
    mat = torch.zeros(vec.shape[:-1] + (n, n), dtype=vec.dtype, device=vec.device)
    rows, columns = torch.tril_indices(n, n, diag)
    mat[..., rows, columns] = vec
    return mat


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The elements of a matrix's lower triangle, row by row."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = torch.tril_indices(n, n, diag)
    return mat[..., rows, columns]
