"""Sums, products, quotients and powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype
from torchcompat._ops._common import cast, dtype_of, result_type
from torchcompat._ops._errors import cpp_name, not_implemented
from torchcompat._ops._pointwise import (
    POINTWISE,
    as_strong,
    check_broadcast,
    float_binary,
    is_bool,
    is_integral,
    operands,
    reject,
    some_tensor,
    tensors_only,
    with_slopes,
)
from torchcompat._ops._registry import Array, Number, op


def _check_alpha(to: dtype, alpha: Array) -> None:
    kind = dtype_of(alpha)
    if kind is _dtype.bool_ and to is not _dtype.bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if kind.is_complex and not to.is_complex:
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number."
        )
    if kind.is_floating_point and not (to.is_floating_point or to.is_complex):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )


def _scaled(x: jax.Array, alpha: Array) -> jax.Array:
    return x if isinstance(alpha, int) and alpha == 1 else x * cast_like(alpha, x)


def cast_like(x: Array, like: jax.Array) -> jax.Array:
    """`x` in the type of `like`."""
    return lax.convert_element_type(jnp.asarray(x), like.dtype)


def _plus(input: Array, other: Array, alpha: Array) -> jax.Array:
    (a, b), to = operands(input, other)
    _check_alpha(to, alpha)
    return cast(a + _scaled(b, alpha), to)


def _minus(input: Array, other: Array, alpha: Array) -> jax.Array:
    if is_bool(input) and is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. "
            "Use the `^` or `logical_xor()` operator instead."
        )
    if is_bool(input) or is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )
    (a, b), to = operands(input, other)
    _check_alpha(to, alpha)
    return cast(a - _scaled(b, alpha), to)


@op(*POINTWISE)
def add(input: Array, other: Array, *, alpha: Array = 1) -> Array:
    """`input + alpha * other`, broadcast and promoted."""
    return _plus(input, other, alpha)


@op(*POINTWISE, aliases=["subtract"])
def sub(input: Array, other: Array, *, alpha: Array = 1) -> Array:
    """`input - alpha * other`, broadcast and promoted."""
    return _minus(input, other, alpha)


@op("torch", check=some_tensor("rsub", first=True))
def rsub(input: Array, other: Array, *, alpha: Array = 1) -> Array:
    """`other - alpha * input`, broadcast and promoted."""
    return _minus(other, input, alpha)


@op(grad="AddBackward0")
def _add(input: Array, other: Array) -> Array:
    """`input + other`: the operator, without a scale to pass along."""
    return _plus(input, other, 1)


@op(grad="SubBackward0")
def _sub(input: Array, other: Array) -> Array:
    """`input - other`: the operator, without a scale to pass along."""
    return _minus(input, other, 1)


@op(*POINTWISE, aliases=["multiply"])
def mul(input: Array, other: Array) -> Array:
    """`input * other`, broadcast and promoted."""
    (a, b), to = operands(input, other)
    return cast(a * b, to)


def _division(need_tensor: Callable | None = None) -> Callable:
    """A row's check: no whole number is divided by zero, and what `need_tensor` asks."""

    def check(input: Array, other: Array, *rounding: str | None) -> None:
        if need_tensor is not None:
            need_tensor(input, other)
        whole = is_integral(input) and is_integral(other)
        if rounding != (None,) and whole and not (is_bool(input) and is_bool(other)):
            _no_zero(other)

    return check


def _no_zero(divisor: Array) -> None:
    """Raises for a zero where the host knows the values, as torch does on CPUs."""
    if isinstance(divisor, (jax.core.Tracer, jax.ShapeDtypeStruct)):
        return
    if isinstance(divisor, jax.Array) and next(iter(divisor.devices())).platform != "cpu":
        return
    if not np.all(divisor):
        raise RuntimeError("ZeroDivisionError")


@op(*POINTWISE, aliases=["divide"], check=_division())
def div(input: Array, other: Array, *, rounding_mode: str | None = None) -> Array:
    """`input / other`, rounded as `rounding_mode` says.

    Args:
        rounding_mode: None for true division (integers become floats), "trunc" toward zero,
            "floor" toward minus infinity.
    """
    if rounding_mode is None:
        (a, b), to = operands(input, other, floating=True)
        return cast(a / b, to)
    if rounding_mode == "floor":
        return _floor_quotient(input, other)
    if rounding_mode != "trunc":
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' "
            f"but found '{rounding_mode}'"
        )
    (a, b), to = operands(input, other)
    _reject_kind("div_trunc_cpu", a)
    if is_integral(a):
        return lax.div(*_matched(a, b))
    # A half type's quotient is rounded before it loses its fraction, as in torch.
    return jnp.trunc(cast(a / b, to))


@op(*POINTWISE)
def true_divide(input: Array, other: Array) -> Array:
    """`input / other`; integers become floats."""
    return div(input, other)


@op(*POINTWISE, check=_division())
def floor_divide(input: Array, other: Array) -> Array:
    """`input / other`, rounded toward minus infinity."""
    return _floor_quotient(input, other)


def _matched(a: jax.Array, b: jax.Array) -> list[jax.Array]:
    return jnp.broadcast_arrays(a, b)


def _reject_kind(kernel: str, x: jax.Array) -> None:
    reject(kernel, x, complexes=True, bools=True)


def _floor_quotient(input: Array, other: Array) -> jax.Array:
    (a, b), to = operands(input, other)
    _reject_kind("div_floor_cpu", a)
    if is_integral(a):
        return jnp.floor_divide(a, b)
    a, b = _matched(a, b)
    rest = lax.rem(a, b)
    exact = (a - rest) / b
    exact = jnp.where((rest != 0) & ((b < 0) != (rest < 0)), exact - 1, exact)
    whole = jnp.floor(exact)
    whole = jnp.where(exact - whole > 0.5, whole + 1, whole)
    whole = jnp.where(exact == 0, jnp.copysign(jnp.zeros_like(a), a / b), whole)
    return cast(jnp.where(b == 0, a / b, whole), to)


@op(*POINTWISE, check=_division(some_tensor("remainder")))
def remainder(input: Array, other: Array) -> Array:
    """The rest of division with the divisor's sign, as Python's `%`."""
    (a, b), to = operands(input, other)
    _reject_kind("remainder_cpu", a)
    a, b = _matched(a, b)
    rest = lax.rem(a, b)
    if dtype_of(rest).is_signed:
        rest = jnp.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)
    return cast(rest, to)


@op(*POINTWISE, check=_division(some_tensor("fmod", first=True)))
def fmod(input: Array, other: Array) -> Array:
    """The rest of division with the dividend's sign, as C's `fmod`."""
    (a, b), to = operands(input, other)
    _reject_kind("fmod_cpu", a)
    return cast(lax.rem(*_matched(a, b)), to)


@op(*POINTWISE, check=some_tensor("pow"))
def pow(input: Array, exponent: Number | Array) -> Array:
    """`input` to the power `exponent`.

    Raises:
        RuntimeError: an integer tensor has a negative integer as its exponent.
    """
    (base, power), to = operands(input, exponent)
    if is_integral(base):
        return _integer_power(base, power, exponent, to)
    if isinstance(exponent, (int, float)):
        return cast(_number_power(base, exponent), to)
    return cast(_power(base, power), to)


def _by_base(base: jax.Array, power: jax.Array) -> jax.Array:
    return jnp.where(power == 0, 0, power * _power(base, jnp.where(power == 0, 1, power) - 1))


def _by_power(base: jax.Array, power: jax.Array) -> jax.Array:
    flat = (base == 0) & (power.real >= 0)
    return jnp.where(flat, 0, _power(base, power) * jnp.log(jnp.where(flat, 1, base)))


# JAX's own slope by the base is NaN at 0 ** 0.
_power = with_slopes(jnp.power, _by_base, _by_power)


def _number_power(base: jax.Array, exponent: float) -> jax.Array:
    if exponent == 0.5:
        return jnp.sqrt(base)
    if exponent == -0.5:
        return lax.rsqrt(base)
    if exponent == int(exponent) and abs(exponent) <= 3 if abs(exponent) < 1e9 else False:
        return lax.integer_pow(base, int(exponent))
    return jnp.power(base, jnp.asarray(exponent, base.dtype))


def _integer_power(base: jax.Array, power: jax.Array, exponent: Array, to: dtype) -> jax.Array:
    if isinstance(exponent, (int, bool)) and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if to is _dtype.bool_:
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    if isinstance(exponent, int):
        return lax.integer_pow(base, int(exponent))
    positive = jnp.power(base, jnp.maximum(power, 0))
    if not to.is_signed:
        return positive
    # What C's integer division of 1 by base**|power| leaves; torch defines it so.
    unit = jnp.where(base == -1, jnp.where(power % 2 == 0, 1, -1), (base == 1).astype(base.dtype))
    return jnp.where(power < 0, unit.astype(base.dtype), positive)


@op(*POINTWISE, check=some_tensor("float_power"))
def float_power(input: Array, exponent: Array) -> Array:
    """`input` to the power `exponent`, computed in float64 (or complex128)."""
    to = result_type(input, exponent)
    to = _dtype.complex128 if to.is_complex else _dtype.float64
    check_broadcast(input, exponent)
    return _power(cast(input, to), cast(exponent, to))


@op(*POINTWISE, aliases=["negative"])
def neg(input: Array) -> Array:
    """`-input`.

    Raises:
        RuntimeError: the input is boolean.
    """
    if is_bool(input):
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return -as_strong(input)


@op("torch", "method")
def positive(input: Array) -> Array:
    """`input` itself.

    Raises:
        RuntimeError: the input is boolean.
    """
    if is_bool(input):
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return as_strong(input)


@op(*POINTWISE)
def square(input: Array) -> Array:
    """`input * input`; booleans become integers."""
    return pow(input, 2)


@op(*POINTWISE, check=tensors_only("lerp", "input", "end"))
def lerp(input: Array, end: Array, weight: Array) -> Array:
    """`input + weight * (end - input)`, computed from the nearer end."""
    for name, x in (("end", end), ("weight", weight)):
        if x.dtype != input.dtype and not getattr(x, "weak_type", False):
            raise RuntimeError(
                f"expected dtype {cpp_name(input)} for `{name}` but got dtype {cpp_name(x)}"
            )
    if is_integral(input):
        raise not_implemented("lerp_kernel_scalar", input)
    (start, stop, share), to = operands(input, end, weight)
    gap = stop - start
    return cast(jnp.where(jnp.abs(share) < 0.5, start + share * gap, stop - gap * (1 - share)), to)


@op("torch", "method", "inplace", check=tensors_only("addcmul", "input", "tensor1", "tensor2"))
def addcmul(input: Array, tensor1: Array, tensor2: Array, *, value: Array = 1) -> Array:
    """`input + value * tensor1 * tensor2`."""
    (a, b, c), to = operands(input, tensor1, tensor2)
    return cast(a + cast_like(value, a) * b * c, to)


@op("torch", "method", "inplace", check=tensors_only("addcdiv", "input", "tensor1", "tensor2"))
def addcdiv(input: Array, tensor1: Array, tensor2: Array, *, value: Array = 1) -> Array:
    """`input + value * tensor1 / tensor2`."""
    if is_integral(tensor1) and is_integral(tensor2):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release "
            "addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv "
            "behavior can be implemented as (input + value * torch.trunc(tensor1 / "
            "tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
            "tensor2) for float inputs. The future addcdiv behavior is just the latter "
            "implementation: (input + value * tensor1 / tensor2), for all dtypes."
        )
    (a, b, c), to = operands(input, tensor1, tensor2)
    return cast(a + cast_like(value, a) * (b / c), to)


@op("torch", "method", "inplace", check=tensors_only("ldexp", "input", "other"))
def ldexp(input: Array, other: Array) -> Array:
    """`input * 2 ** other`."""
    (a, power), to = operands(input, other, floating=True)
    return cast(a * jnp.exp2(power), to)


def _over_square(a: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """`a / (x^2 + y^2)`; 0 where the divisor is."""
    square = x * x + y * y
    return jnp.where(square == 0, 0, a / jnp.where(square == 0, 1, square))


float_binary(
    "atan2",
    with_slopes(
        jnp.arctan2, lambda y, x: _over_square(x, x, y), lambda y, x: _over_square(-y, x, y)
    ),
    "The angle of the point (`other`, `input`), in radians.",
    aliases=["arctan2"],
)
float_binary(
    "copysign",
    jnp.copysign,
    "`input` with the sign of `other`.",
    check=some_tensor("copysign", first=True),
)


def _no_integers(name: str) -> Callable:
    """A row's check: torch adds logarithms of numbers of which one is of a floating type."""
    tensors = tensors_only(name, "input", "other")

    def check(input: Any, other: Any, *rest: Any) -> None:
        tensors(input, other)
        kind = result_type(input, other)
        if not (kind.is_floating_point or kind.is_complex):
            title = _dtype.scalar_name(kind)
            raise NotImplementedError(f'"{name}_cpu" not implemented for {title!r}')

    return check


def _logaddexp(a: jax.Array, b: jax.Array) -> jax.Array:
    if not dtype_of(a).is_complex:
        return jnp.logaddexp(a, b)
    # The larger term is added outside of the logarithm, so that its angle is kept whole.
    swap = a.real < b.real
    large, small = jnp.where(swap, b, a), jnp.where(swap, a, b)
    return large + jnp.log1p(jnp.exp(small - large))


float_binary(
    "logaddexp",
    _logaddexp,
    "`log(exp(input) + exp(other))`.",
    ("torch", "method"),
    complexes=True,
    check=_no_integers("logaddexp"),
)
float_binary(
    "logaddexp2",
    jnp.logaddexp2,
    "`log2(2 ** input + 2 ** other)`.",
    ("torch", "method"),
    check=_no_integers("logaddexp2"),
)


@op(*POINTWISE, check=tensors_only("hypot", "input", "other"))
def hypot(input: Array, other: Array) -> Array:
    """The hypotenuse of a right triangle with legs `input` and `other`."""
    (a, b), to = operands(input, other)
    if is_integral(a):
        raise not_implemented("hypot_cpu", a)
    return cast(jnp.hypot(a, b), to)


@op(*POINTWISE, differentiable=False, check=tensors_only("nextafter", "input", "other"))
def nextafter(input: Array, other: Array) -> Array:
    """The next value after `input` in the direction of `other`."""
    check_broadcast(input, other)
    to = result_type(input, other)
    if not to.is_floating_point:
        raise NotImplementedError(f'"nextafter_cpu" not implemented for {_dtype.scalar_name(to)!r}')
    return jnp.nextafter(cast(input, to), cast(other, to))
