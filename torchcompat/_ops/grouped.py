"""Matrix products of several groups at once, and products of scaled 8-bit matrices."""

from __future__ import annotations

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import cast, dtype_of, wide
from torchcompat._ops._errors import scalar
from torchcompat._ops._registry import Array, op

_KINDS = (_dtype.float32, _dtype.bfloat16, _dtype.float16)


@op(grad="GroupedMmBackward0")
def grouped_mm(mat_a: Array, mat_b: Array, offs: Array | None) -> Array:
    """The matrix product of each group; what belongs to no group is 0 (in torch: not set).

    Args:
        offs: where each group ends in the dimension that a matrix's groups share.

    Shape:
        `(M, K) @ (G, K, N)`, groups along M, gives `(M, N)`; `(G, M, K) @ (K, N)`, groups along N,
        gives `(M, N)`; `(M, K) @ (K, N)`, groups along K, gives `(G, M, N)`; `(G, M, K) @ (G, K, N)`
        gives `(G, M, N)`.
    """
    _check(mat_a, mat_b, offs)
    if offs is None:
        return cast(_product(mat_a, mat_b), dtype_of(mat_a))
    return grouped_products(mat_a, mat_b, offs)


@op(grad="GroupedMmBackward0")
def grouped_products(mat_a: Array, mat_b: Array, offs: Array) -> Array:
    """`grouped_mm` of any floating-point type, with offsets of any integer type."""
    kind = dtype_of(mat_a)
    starts = jnp.concatenate([jnp.zeros(1, offs.dtype), offs[:-1]])
    if mat_b.ndim == 3:
        return cast(_ragged(mat_a, mat_b, offs - starts), kind)
    if mat_a.ndim == 3:
        turned = mat_b.T, mat_a.swapaxes(1, 2), offs - starts
        return cast(_ragged(*turned).T, kind)
    place = jnp.arange(mat_a.shape[1])
    inside = (place >= starts[:, None]) & (place < offs[:, None])
    return cast(_product(jnp.where(inside[:, None], mat_a, 0), mat_b), kind)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    kind = wide(jnp.zeros((), a.dtype)).dtype
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST, preferred_element_type=kind)


def _ragged(a: jax.Array, b: jax.Array, lengths: jax.Array) -> jax.Array:
    """The product of each run of rows of `a` with its matrix of `b`; half types give float32."""

    def run(a: jax.Array, b: jax.Array, lengths: jax.Array) -> jax.Array:
        kind = wide(jnp.zeros((), a.dtype)).dtype
        return lax.ragged_dot(
            a, b, lengths, precision=lax.Precision.HIGHEST, preferred_element_type=kind
        )

    def widened(a: jax.Array, b: jax.Array, lengths: jax.Array) -> jax.Array:
        # XLA's CPU backend has no such product of half types in every layout (jax 0.10.2).
        return run(wide(a), wide(b), lengths)

    return lax.platform_dependent(a, b, lengths, cpu=widened, default=run)


def _check(a: jax.Array, b: jax.Array, offs: jax.Array | None) -> None:
    for name, x in (("mat_a", a), ("mat_b", b)):
        if dtype_of(x) not in _KINDS:
            raise RuntimeError(
                f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {scalar(x)}"
            )
    for name, x in (("mat_a", a), ("mat_b", b)):
        if x.ndim not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
    flat = a.ndim == b.ndim == 2
    if not flat and a.shape[-1] != b.shape[-2]:
        raise RuntimeError("contraction dimension of mat_a and mat_b must match")
    if a.dtype != b.dtype:
        raise RuntimeError("mat_a and mat_b must have the same dtype")
    if (offs is None) != (a.ndim == b.ndim == 3):
        raise RuntimeError(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if offs is None:
        if a.shape[0] != b.shape[0]:
            raise RuntimeError("batched dimension has to match")
        return
    _check_offsets(a, b, offs)


def _check_offsets(a: jax.Array, b: jax.Array, offs: jax.Array) -> None:
    if offs.ndim != 1:
        raise RuntimeError("offs has to be 1D")
    if offs.dtype != np.int32:
        raise RuntimeError("Offsets have to be int32")
    for x in (a, b):
        if x.ndim == 3 and x.shape[0] != offs.shape[0]:
            raise RuntimeError("matrix batch sizes have to match")
    if a.ndim == b.ndim == 2 and a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
            f"{b.shape[0]}x{b.shape[1]})"
        )


@op(differentiable=False)
def scaled_product(
    mat_a: Array, mat_b: Array, scale_a: Array, scale_b: Array, bias: Array | None
) -> Array:
    """`(mat_a * scale_a) @ (mat_b * scale_b) + bias`, in float32."""
    product = _product(mat_a.astype(np.float32), mat_b.astype(np.float32)) * scale_a * scale_b
    return product if bias is None else product + bias.astype(np.float32)


@op(differentiable=False)
def scaled_groups(
    mat_a: Array, mat_b: Array, scale_a: Array, scale_b: Array, offs: Array | None
) -> Array:
    """`grouped_mm` of a matrix scaled by its rows and one scaled by its columns, in float32."""
    rows = mat_a.astype(np.float32) * scale_a[..., None]
    columns = mat_b.astype(np.float32) * scale_b[..., None, :]
    return grouped_mm(rows, columns, offs)
