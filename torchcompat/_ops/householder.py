"""Householder reflections `H = I - tau v v^H`, and the QR factors that are made of them.

A matrix holds the vectors below its diagonal; a 1 on the diagonal and the zeros above are implied.
"""

from __future__ import annotations

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import dtype_of
from torchcompat._ops._errors import not_implemented, scalar
from torchcompat._ops._registry import Array, op

_KINDS = tuple(map(np.dtype, ("float32", "float64", "complex64", "complex128")))
_NAME = "torch.linalg.householder_product"


@op("torch", "method", returns="a tau", differentiable=False)
def geqrf(input: Array) -> tuple[Array, Array]:
    """`R` of the QR factors with the reflections that make up `Q` below it, and their tau."""
    if input.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    if input.dtype not in _KINDS:
        raise not_implemented("geqrf_cpu", input)
    reflections, tau = jnp.linalg.qr(input, mode="raw")
    return reflections.swapaxes(-1, -2), tau


@op("linalg")
def linalg_householder_product(A: Array, tau: Array) -> Array:
    """The first columns of the product `H_1 H_2 ...` of the reflections in the columns of `A`.

    Shape:
        A `(*, m, n)` with m >= n, tau `(*, k)` with k <= n; output `(*, m, n)`.
    """
    _check(A, tau)
    rows, columns = A.shape[-2:]
    eye = jnp.broadcast_to(jnp.eye(rows, columns, dtype=A.dtype), A.shape)
    return _reflected(A, tau, eye, reverse=True)


def _reflected(A: Array, tau: Array, start: jax.Array, *, reverse: bool) -> jax.Array:
    """The reflections applied to `start`, the last one first where `reverse`."""
    count = tau.shape[-1]
    if not count:
        return start
    vectors = jnp.tril(A, -1) + jnp.eye(*A.shape[-2:], dtype=A.dtype)

    def reflect(product: jax.Array, step: tuple) -> tuple[jax.Array, None]:
        vector, factor = step
        along = jnp.einsum("...m,...mn->...n", vector.conj(), product, precision="highest")
        return product - (factor[..., None] * vector)[..., None] * along[..., None, :], None

    steps = jnp.moveaxis(vectors[..., :count], -1, 0), jnp.moveaxis(tau, -1, 0)
    return lax.scan(reflect, start, steps, reverse=reverse)[0]


@op("torch", "method")
def ormqr(
    input: Array, input2: Array, input3: Array, left: bool = True, transpose: bool = False
) -> Array:
    """`Q C`, or `C Q` where `left` is false, `Q` being the whole product of the reflections.

    Args:
        input: holds the vectors of the reflections, `(*, m, k)`.
        input2: their tau, `(*, k)`.
        input3: `C`.
        transpose: use the conjugate transpose of `Q`.
    """
    _check_product(input, input2, input3, left)
    other = input3 if left else _dagger(input3)
    turned = transpose is left
    tau = jnp.conj(input2) if turned else input2
    found = _reflected(input, tau, other, reverse=not turned)
    return found if left else _dagger(found)


def _dagger(x: jax.Array) -> jax.Array:
    return jnp.conj(x.swapaxes(-1, -2))


def _check_product(A: Array, tau: Array, other: Array, left: bool) -> None:
    name = "torch.ormqr"
    for title, x in (("input", A), ("other", other)):
        if x.ndim < 2:
            raise RuntimeError(f"{name}: {title} must have at least 2 dimensions.")
    side = -2 if left else -1
    if other.shape[side] < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: other.shape[{side}] must be greater than or equal to tau.shape[-1]"
        )
    if other.shape[side] != A.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.shape[-1] != min(other.shape[side], A.shape[-1]):
        raise RuntimeError(
            f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    if A.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {A.ndim}"
        )
    if A.ndim != other.ndim:
        raise RuntimeError(
            f"{name}: Expected other to have the same number of dimensions as input, but got "
            f"other.ndim equal to {other.ndim} and input.ndim is equal to {A.ndim}"
        )
    for title, x, batch in (
        ("tau", tau, tau.shape[:-1]),
        ("other", other, other.shape[:-2]),
    ):
        if tuple(batch) != tuple(A.shape[:-2]):
            raise RuntimeError(
                f"{name}: Expected batch dimensions of {title} to be equal to input.shape[:-2], "
                f"but got {list(batch)}"
            )
        if x.dtype != A.dtype:
            raise RuntimeError(
                f"{name}: Expected input and {title} to have the same dtype, but input has dtype"
                f"{scalar(A)} and {title} has dtype {scalar(x)}"
            )


@op("torch", "method")
def orgqr(input: Array, input2: Array) -> Array:
    """`linalg.householder_product` under its older name."""
    return linalg_householder_product(input, input2)


def _check(A: Array, tau: Array) -> None:
    if A.ndim < 2:
        raise RuntimeError(f"{_NAME}: input must have at least 2 dimensions.")
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(
            f"{_NAME}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(
            f"{_NAME}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    if A.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{_NAME}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {A.ndim}"
        )
    if tuple(A.shape[:-2]) != tuple(tau.shape[:-1]):
        raise RuntimeError(
            f"{_NAME}: Expected batch dimensions of tau to be equal to input.shape[:-2], but "
            f"got {list(tau.shape[:-1])}"
        )
    if dtype_of(A) is not dtype_of(tau):
        raise RuntimeError(
            f"{_NAME}: tau dtype {scalar(tau)} does not match input dtype {scalar(A)}"
        )
    if A.dtype not in _KINDS:
        raise not_implemented("orgqr_cpu", A)
