"""What `copy_`, `fill_` and `zero_` write."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import numpy as jnp

from torchcompat._dtype import dtype
from torchcompat._ops._common import dtype_of
from torchcompat._ops._registry import Array, op
from torchcompat._ops.convert import _to_copy

_NAMES = {
    "float64": "double",
    "float32": "float",
    "float16": "at::Half",
    "bfloat16": "at::BFloat16",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
}


def check_number(value: Any, to: dtype, half: str = "at") -> None:
    """Raises torch's error for a Python number that the type cannot hold.

    Args:
        half: the namespace in which the error finds the half types.
    """
    if not isinstance(value, (bool, int, float, complex)):
        return
    fits = True
    if isinstance(value, complex):
        fits = to.is_complex or not value.imag
    elif to.numpy.kind in "iu":
        info = np.iinfo(to.numpy)
        fits = (-info.max if info.min == 0 else info.min) <= value <= info.max
    elif to.is_floating_point and np.isfinite(value):
        limit = {"float16": 65504.0, "float32": 3.4028234663852886e38}.get(to.name)
        fits = limit is None or abs(value) <= limit
    if not fits:
        name = _NAMES.get(to.name, to.name).replace("at::", f"{half}::")
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")


def _check_value(input: Array, value: Any, *rest: Any) -> None:
    check_number(value, dtype_of(input))


def _check_broadcast(size: tuple[int, ...], source: tuple[int, ...]) -> None:
    """Raises torch's error unless `source` broadcasts to exactly `size`."""
    ndim = max(len(size), len(source))
    a, b = ((1,) * (ndim - len(one)) + one for one in (size, source))
    for d in reversed(range(ndim)):
        if a[d] != b[d] and 1 not in (a[d], b[d]):
            raise RuntimeError(
                f"The size of tensor a ({a[d]}) must match the size of tensor b ({b[d]}) at "
                f"non-singleton dimension {d}"
            )
    whole = tuple(n if m == 1 else m for n, m in zip(a, b))
    if whole != size:
        raise RuntimeError(
            f"output with shape {list(size)} doesn't match the broadcast shape {list(whole)}"
        )


@op("inplace", verify=_check_value, grad="CopyBackwards")
def copy(input: Array, src: Array, non_blocking: bool = False) -> Array:
    """The values of `src`, broadcast to the size of `input` and converted to its type."""
    source = jnp.asarray(src)
    _check_broadcast(input.shape, source.shape)
    return jnp.broadcast_to(_to_copy(source, dtype_of(input)), input.shape)


@op("torch", "inplace", verify=_check_value)
def fill(input: Array, value: Array) -> Array:
    """One value in every element."""
    value = jnp.asarray(value)
    if value.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
            f"dimensions."
        )
    return jnp.broadcast_to(_to_copy(value, dtype_of(input)), input.shape)


@op("inplace")
def zero(input: Array) -> Array:
    """Zero in every element."""
    return jnp.zeros_like(input)
