"""Conversion between dtypes, with the results that torch's CPU code gives out of range."""

from __future__ import annotations

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import cast, dtype_of
from torchcompat._ops._registry import Array, op


@op(grad="ToCopyBackward0")
def _to_copy(input: Array, dtype: Dtype) -> Array:
    """`input` as `dtype`, as C converts on x86: NaN and overflow give the lowest integer."""
    source = dtype_of(input)
    if source.is_complex and not dtype.is_complex:
        return _to_copy(jnp.real(input), dtype)
    if source.is_floating_point and dtype.numpy.kind in "iu":
        return _float_to_int(input, dtype)
    if dtype.name == "float8_e4m3fn" and source is not dtype:
        input = jnp.clip(cast(input, _dtype.float32), -448, 448)
    return cast(input, dtype)


def _float_to_int(x: jax.Array, to: Dtype) -> jax.Array:
    """Through the signed integer that x86 converts to; narrower types keep its low bits."""
    if dtype_of(x) is not _dtype.float64:
        x = cast(x, _dtype.float32)
    wide = np.dtype(np.int32 if to.itemsize < 4 or to is _dtype.int32 else np.int64)
    limit = 2.0 ** (wide.itemsize * 8 - 1)
    inside = (x >= -limit) & (x < limit)
    whole = jnp.where(inside, x, 0).astype(wide)
    return cast(jnp.where(inside, whole, np.iinfo(wide).min), to)


@op("torch", "method")
def clone(input: Array, *, memory_format: object = None) -> Array:
    """A copy that is recorded for gradients. The memory format is accepted; layout is JAX's."""
    return jnp.asarray(input)
