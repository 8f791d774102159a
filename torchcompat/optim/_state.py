"""Optimizer state: tensors that begin as constants, also where the first step is being traced."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._state import state


def full(value: float, like: Tensor, shape: Any = None) -> Tensor:
    """A state tensor of `like`'s dtype and device, filled with `value`; its shape unless given."""
    size = tuple(like.shape if shape is None else shape)
    held = like._cell.value
    if isinstance(held, jax.ShapeDtypeStruct):
        return wrap(jax.ShapeDtypeStruct(size, held.dtype))
    whole = size == tuple(held.shape) and not isinstance(held, jax.core.Tracer)
    # An array that JAX may move must stay so: committed ones would compile the update anew.
    place = held.sharding if whole and held.committed else None
    return lasting(np.full(size, value, held.dtype), place)


def zeros(like: Tensor) -> Tensor:
    """Zeros of `like`'s shape, dtype and device."""
    return full(0, like)


def scalar(value: Any) -> Tensor:
    """A 0-d tensor, of float64 if that is the default dtype and of float32 otherwise."""
    wide = _dtype.get_default_dtype() is _dtype.float64
    return lasting(np.asarray(value, np.float64 if wide else np.float32))


def lasting(values: Any, place: Any = None) -> Tensor:
    """A tensor over `values` that a running trace takes for older than itself.

    So what a traced first step creates holds no tracer: it becomes an input of the program.
    """
    capture, state.capture = state.capture, None
    try:
        with jax.enable_x64(True), jax.ensure_compile_time_eval():
            tensor = wrap(jax.device_put(values, place))
    finally:
        state.capture = capture
    if capture is not None:
        tensor._cell.serial = 0
    return tensor
