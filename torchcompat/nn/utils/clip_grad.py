"""Clipping gradients by their total norm or by value."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from torchcompat._tensor import Tensor, as_array, ops
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._dispatch import to_tensor
from torchcompat._tensor._faces import write

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_"]

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensors) -> list[Tensor]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


def _store(tensors: list[Tensor], values: Iterable[Tensor]) -> None:
    for tensor, value in zip(tensors, values):
        write(tensor, value)


@no_grad()
def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    Args:
        norm_type: the p of the p-norm; `inf` for the largest magnitude.
        error_if_nonfinite: raise if the norm is nan or infinite.
        foreach: has no effect: the tensors are always handled in one program.

    Raises:
        RuntimeError: `error_if_nonfinite` is set and the norm is not finite.
    """
    held = _listed(tensors)
    order = float(norm_type)
    if not held:
        return to_tensor(np.zeros((), np.float32))
    total = ops.total_norm(held, order)
    if error_if_nonfinite:
        _check_finite(total, order)
    return total


def _check_finite(total: Any, order: float) -> None:
    value = as_array(total)
    if isinstance(value, jax.core.Tracer):
        raise NotImplementedError(
            "error_if_nonfinite=True while tracing: the norm's value is not known yet"
        )
    if not np.isfinite(value):
        raise RuntimeError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm anyway, set `error_if_nonfinite=False`"
        )


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiplies the gradients by `max_norm / (total_norm + 1e-6)`, unless that is over 1.

    Args:
        foreach: has no effect: the gradients are always handled in one program.
    """
    grads = _grads(parameters)
    limit = max_norm if isinstance(max_norm, Tensor) else float(max_norm)
    if grads:
        _store(grads, ops.norm_clipped(grads, limit, total_norm))


@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales the gradients in place so that their total norm is at most `max_norm`.

    Args:
        parameters: one or more tensors; those without a gradient are left out.
        norm_type: the p of the p-norm; `inf` for the largest magnitude.
        error_if_nonfinite: raise, before anything is scaled, if the norm is nan or infinite.
        foreach: has no effect: the gradients are always handled in one program.

    Returns:
        The total norm before the scaling.

    Raises:
        RuntimeError: `error_if_nonfinite` is set and the norm is not finite.
    """
    held = _listed(parameters)
    if not held and isinstance(parameters, types.GeneratorType):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    total = get_total_norm(_grads(held), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(held, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """`clip_grad_norm_` under its deprecated name."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Moves the elements of the gradients into [-clip_value, clip_value], in place.

    Args:
        foreach: has no effect: the gradients are always handled in one program.

    Raises:
        RuntimeError: no parameter has a gradient.
    """
    limit = float(clip_value)
    grads = _grads(parameters)
    if not grads:
        raise RuntimeError(
            "Expected !nested_tensorlist[0].empty() to be true, but got false.  (Could this error "
            "message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    _store(grads, ops.value_clipped(grads, limit))


_get_total_norm = get_total_norm
_clip_grads_with_norm_ = clip_grads_with_norm_
