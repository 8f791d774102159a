"""Elements as another type over the same bytes, complex numbers as pairs among them."""

from __future__ import annotations

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import dtype_of
from torchcompat._ops._errors import scalar
from torchcompat._ops._registry import Array, op


@op()
def view_as_real(input: Array) -> Array:
    """Complex numbers as pairs of their real and imaginary parts, in a new last dimension."""
    if not dtype_of(input).is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return jnp.stack([input.real, input.imag], -1)


@op()
def view_as_complex(input: Array) -> Array:
    """Pairs in the last dimension as complex numbers."""
    if dtype_of(input).name not in ("float32", "float64"):
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, "
            f"but got a tensor of scalar type: {scalar(input)}"
        )
    if not input.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return lax.complex(input[..., 0], input[..., 1])


# How a storage is seen: as elements of a type, as conjugates ("conj") or with the other sign ("neg").
How = np.dtype | str


def seen(storage: jax.Array, how: How) -> jax.Array:
    """A storage's values as they are seen."""
    if isinstance(how, str):
        return jnp.conj(storage) if how == "conj" else -storage
    return reinterpreted(storage.reshape(-1), how)


def put_back(storage: jax.Array, value: jax.Array, how: How) -> jax.Array:
    """The storage after `value` was written to what is seen of it."""
    if isinstance(how, str):
        return seen(value, how)
    flat = reinterpreted(value, storage.dtype)
    return storage.reshape(-1).at[: flat.size].set(flat).reshape(storage.shape)


def reinterpreted(flat: jax.Array, to: np.dtype) -> jax.Array:
    """A flat array's bytes as elements of another type; bytes that fill no element are dropped."""
    if flat.dtype == to:
        return flat
    if flat.dtype.kind == "c":
        return reinterpreted(view_as_real(flat).reshape(-1), to)
    if to.kind == "c":
        parts = reinterpreted(flat, np.dtype(f"f{to.itemsize // 2}"))
        return view_as_complex(_grouped(parts, 2))
    if flat.dtype == np.bool_:
        return reinterpreted(flat.astype(np.uint8), to)
    if to == np.bool_:
        return reinterpreted(flat, np.dtype(np.uint8)) != 0
    if to.itemsize > flat.dtype.itemsize:
        flat = _grouped(flat, to.itemsize // flat.dtype.itemsize)
    return lax.bitcast_convert_type(flat, to).reshape(-1)


def _grouped(flat: jax.Array, n: int) -> jax.Array:
    return flat[: flat.size // n * n].reshape(-1, n)
