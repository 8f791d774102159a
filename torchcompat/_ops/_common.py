"""What ops share: torch's type promotion over arrays, dimension checks and dtype names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2, "c": 3}


def dtype_of(x: Any) -> dtype:
    """The dtype of an array, or the one a Python number takes."""
    if isinstance(x, bool):
        return _dtype.bool_
    if isinstance(x, int):
        return _dtype.int64
    if isinstance(x, float):
        return _dtype.get_default_dtype()
    if isinstance(x, complex):
        return _dtype.get_default_dtype().to_complex()
    return _dtype.from_numpy(x.dtype)


def _category(one: dtype) -> int:
    return 3 if one.is_complex else 2 if one.is_floating_point else 0 if one is _dtype.bool_ else 1


def _weak_dtype(x: Any) -> dtype:
    """The dtype of a Python number that was traced (JAX marks it weakly typed)."""
    one = dtype_of(x)
    category = _category(one)
    if category == 2:
        return _dtype.get_default_dtype()
    return _dtype.get_default_dtype().to_complex() if category == 3 else one


def result_type(*operands: Any) -> dtype:
    """The type torch gives a result: dimensioned tensors first, then 0-d ones, then numbers.

    A lower-ranked operand counts only if its category (bool, integer, float, complex) is higher.
    """
    ranks: list[dtype | None] = [None, None, None]
    for x in operands:
        if x is None:
            continue
        number = isinstance(x, Number_) or getattr(x, "weak_type", False)
        rank = 2 if number else 1 if x.ndim == 0 else 0
        one = _weak_dtype(x) if number else dtype_of(x)
        held = ranks[rank]
        ranks[rank] = one if held is None else _dtype.promote_types(held, one)
    result = None
    for one in ranks:
        if one is not None and (result is None or _category(one) > _category(result)):
            result = one if result is None else _combine(result, one)
    if result is None:
        raise RuntimeError("result_type needs at least one operand")
    return result


def _combine(strong: dtype, weak: dtype) -> dtype:
    """`weak` has the higher category; a float's precision survives becoming complex."""
    if not weak.is_complex:
        return _dtype.promote_types(strong, weak)
    if strong.name.startswith("float8"):
        raise RuntimeError(f"Unknown Complex ScalarType for {_dtype.scalar_name(strong)}")
    return strong.to_complex() if strong.is_floating_point else weak


Number_ = (bool, int, float, complex)


def promote(*operands: Any, floating: bool = False) -> list[jax.Array]:
    """The operands as arrays of torch's result type; `floating` makes integers the default float."""
    to = result_type(*operands)
    if floating:
        to = floating_type(to)
    return [cast(x, to) for x in operands]


def floating_type(one: dtype) -> dtype:
    """`one`, or the default dtype where `one` is an integer or boolean type."""
    return one if one.is_floating_point or one.is_complex else _dtype.get_default_dtype()


def cast(x: Any, to: dtype) -> jax.Array:
    """`x` as an array of type `to`, never weakly typed; of a complex number the real part."""
    x = jnp.asarray(x)
    if x.dtype.kind == "c" and not to.is_complex and to.numpy != np.bool_:
        x = x.real  # JAX warns of what is dropped: torch does once, where the caller asked for it
    return jax.lax.convert_element_type(x, to.numpy)


def float_input(x: jax.Array) -> jax.Array:
    """`x`, or `x` as the default float where it is an integer (torch's unary float ops)."""
    return cast(x, floating_type(dtype_of(x)))


def conjugate(x: Any) -> Any:
    """The complex conjugate; real arrays as they are. A gradient in torch is that of JAX's."""
    return jnp.conj(x) if jnp.iscomplexobj(x) else x


def wide(x: jax.Array) -> jax.Array:
    """Half types as float32, for sums that torch accumulates in float32."""
    return (
        x.astype(np.float32)
        if x.dtype.itemsize == 2 and jnp.issubdtype(x.dtype, np.floating)
        else x
    )


def magnitude(x: jax.Array) -> jax.Array:
    """`|x|` with torch's slope at 0, which is 0; that of `jnp.abs` is 1."""
    return jnp.where(x == 0, 0, jnp.abs(x))


def wrap_dim(dim: int, ndim: int) -> int:
    """`dim` counted from the front.

    Raises:
        IndexError: it lies outside `[-ndim, ndim - 1]`.
    """
    low, high = (-ndim, ndim - 1) if ndim else (-1, 0)
    if not low <= dim <= high:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})"
        )
    return dim + ndim if dim < 0 and ndim else max(dim, 0)


def wrap_dims(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """One, several or (None or empty) all dimensions, counted from the front, without repeats."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    dims = tuple(wrap_dim(d, ndim) for d in ((dim,) if isinstance(dim, int) else dim))
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return dims


@jax.custom_jvp
def tanh(x: jax.Array) -> jax.Array:
    """The hyperbolic tangent.

    In float32 XLA's is off by 2e-7 where it nears 1, which its slope of `1 - tanh^2` cannot bear; there
    `1 - 2 / (exp(2 |x|) + 1)` has every bit.
    """
    if x.dtype != jnp.float32:
        return jnp.tanh(x)
    size = jnp.abs(x)
    return jnp.where(size > 1, jnp.copysign(1 - 2 / (jnp.exp(2 * size) + 1), x), jnp.tanh(x))


@tanh.defjvp
def _tanh_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    y = tanh(*primals)
    return y, (tangents[0] + tangents[0] * y) * (1 - y)
