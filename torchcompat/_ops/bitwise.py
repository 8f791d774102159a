"""Logic on truth values and on bits, and whole-number divisors."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import dtype_of, promote
from torchcompat._ops._pointwise import (
    POINTWISE,
    as_strong,
    check_broadcast,
    is_bool,
    is_integral,
    register,
    some_tensor,
    tensors_only,
)
from torchcompat._ops._registry import Array, op


def _logical(name: str, compute: Callable, doc: str) -> None:
    def run(input: Array, other: Array) -> Array:
        check_broadcast(input, other)
        return compute(as_strong(input) != 0, as_strong(other) != 0)

    check = tensors_only(name, "input", "other")
    register(run, name, doc, POINTWISE, differentiable=False, check=check)


_logical("logical_and", jnp.logical_and, "Whether both elements are nonzero.")
_logical("logical_or", jnp.logical_or, "Whether either element is nonzero.")
_logical("logical_xor", jnp.logical_xor, "Whether exactly one of the elements is nonzero.")


@op(*POINTWISE, differentiable=False)
def logical_not(input: Array) -> Array:
    """Whether each element is zero."""
    return as_strong(input) == 0


def _whole(kernel: str, *values: Array) -> list[jax.Array]:
    """The operands promoted, refused where they are not whole numbers."""
    check_broadcast(*values)
    arrays = promote(*values)
    if not is_integral(arrays[0]):
        name = _dtype.scalar_name(dtype_of(arrays[0]))
        raise NotImplementedError(f'"{kernel}" not implemented for {name!r}')
    return arrays


def _bitwise(name: str, compute: Callable, doc: str, kernel: str = "") -> None:
    def run(input: Array, other: Array) -> Array:
        a, b = jnp.broadcast_arrays(*_whole(kernel or f"{name}_cpu", input, other))
        return compute(a, b)

    register(run, name, doc, POINTWISE, differentiable=False, check=some_tensor(name))


def _shift_left(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(_within(a, b), lax.shift_left(a, b), jnp.zeros_like(a))


def _shift_right(a: jax.Array, b: jax.Array) -> jax.Array:
    signed = dtype_of(a).is_signed
    shifted = (lax.shift_right_arithmetic if signed else lax.shift_right_logical)(a, b)
    beyond = jnp.where(a < 0, -1, 0).astype(a.dtype) if signed else jnp.zeros_like(a)
    return jnp.where(_within(a, b), shifted, beyond)


def _within(a: jax.Array, b: jax.Array) -> jax.Array:
    return (b >= 0) & (b < a.dtype.itemsize * 8)


_bitwise("bitwise_and", jnp.bitwise_and, "The bits set in both.")
_bitwise("bitwise_or", jnp.bitwise_or, "The bits set in either.")
_bitwise("bitwise_xor", jnp.bitwise_xor, "The bits set in exactly one.")
_bitwise("bitwise_left_shift", _shift_left, "`input * 2 ** other` in whole numbers.", "lshift_cpu")
_bitwise(
    "bitwise_right_shift",
    _shift_right,
    "`input` shifted right, filled with its sign.",
    "rshift_cpu",
)


@op(*POINTWISE, differentiable=False)
def bitwise_not(input: Array) -> Array:
    """The complement of each element's bits; of a boolean, its opposite."""
    return jnp.bitwise_not(_whole("bitwise_not_cpu", input)[0])


def _divisor(name: str, compute: Callable, doc: str) -> None:
    def run(input: Array, other: Array) -> Array:
        a, b = _whole(f"{name}_cpu", input, other)
        if is_bool(a):
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
        return compute(a, b)

    check = tensors_only(name, "input", "other")
    register(run, name, doc, POINTWISE, differentiable=False, check=check)


_divisor("gcd", jnp.gcd, "The greatest common divisor.")
_divisor("lcm", jnp.lcm, "The least common multiple.")
