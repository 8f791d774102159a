"""Factories for ops of one shape: a family then needs a table of names and functions only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._dtype import dtype
from torchcompat._ops._common import cast, dtype_of, float_input, floating_type, result_type, wide
from torchcompat._ops._registry import Array, op

POINTWISE = ("torch", "method", "inplace")
HALVES = (_dtype.float16, _dtype.bfloat16)


def register(run: Callable, name: str, doc: str, faces: tuple[str, ...], **row: Any) -> None:
    """Adds the op `name`, computed by `run`, to the registry."""
    run.__name__ = run.__qualname__ = name
    run.__doc__ = doc
    op(*faces, name=name, **row)(run)


def float_unary(
    name: str, compute: Callable, doc: str, faces: tuple[str, ...] = POINTWISE, **row: Any
) -> None:
    """An op of one argument: integers become the default float, half types go through float32."""

    def run(input: Array) -> Array:
        x = float_input(input)
        return compute(wide(x)).astype(x.dtype)

    register(run, name, doc, faces, **row)


def same_unary(
    name: str, compute: Callable, doc: str, faces: tuple[str, ...] = POINTWISE, **row: Any
) -> None:
    """An op of one argument whose result has the argument's type."""

    def run(input: Array) -> Array:
        x = as_strong(input)
        return compute(x).astype(x.dtype)

    register(run, name, doc, faces, **row)


def float_binary(
    name: str,
    compute: Callable,
    doc: str,
    faces: tuple[str, ...] = POINTWISE,
    numbers: bool = False,
    complexes: bool = False,
    **row: Any,
) -> None:
    """An op of two arguments that are promoted to a floating type.

    Args:
        numbers: Python numbers are allowed beside tensors.
        complexes: complex numbers are supported.
    """

    def run(input: Array, other: Array) -> Array:
        (a, b), to = operands(input, other, floating=True)
        reject(f"{name}_cpu", a, complexes=not complexes)
        return cast(compute(a, b), to)

    check = some_tensor(name) if numbers else tensors_only(name, "input", "other")
    row.setdefault("check", check)
    register(run, name, doc, faces, **row)


def with_slopes(compute: Callable, first: Callable, second: Callable) -> Callable:
    """`compute(a, b)` whose derivatives by `a` and by `b` are `first(a, b)` and `second(a, b)`."""
    run = jax.custom_jvp(compute)
    run.defjvps(
        lambda step, out, a, b: step * first(a, b), lambda step, out, a, b: step * second(a, b)
    )
    return run


def tensors_only(name: str, *titles: str) -> Callable:
    """A row's check: its first arguments, called `titles`, may not be Python numbers."""

    def check(*args: Any) -> None:
        for position, (title, x) in enumerate(zip(titles, args), 1):
            if isinstance(x, (bool, int, float, complex)):
                raise TypeError(
                    f"{name}(): argument '{title}' (position {position}) must be Tensor, "
                    f"not {type(x).__name__}"
                )

    return check


def some_tensor(name: str, first: bool = False) -> Callable:
    """A row's check: not both of its two arguments may be numbers, nor (with `first`) the first."""

    def check(input: Any, other: Any = None, *rest: Any) -> None:
        if not isinstance(input, (bool, int, float, complex)):
            return
        if first or isinstance(other, (bool, int, float, complex)):
            kinds = ", ".join(
                "Tensor" if hasattr(x, "shape") else type(x).__name__ for x in (input, other)
            )
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got ({kinds}), but "
                "expected one of:\n * (Tensor input, Tensor other, *, Tensor out = None)\n"
                " * (Tensor input, Number other, *, Tensor out = None)\n"
            )

    return check


def as_strong(x: Any) -> jax.Array:
    """`x` as an array of the type torch gives it; a number becomes a 0-d array."""
    return cast(x, result_type(x))


def operands(*values: Any, floating: bool = False) -> tuple[list[jax.Array], dtype]:
    """The operands ready for arithmetic, and the type that the result takes.

    Half types are widened to float32; Python numbers reach float32 without rounding to half first,
    as in torch's kernels.
    """
    check_broadcast(*values)
    to = result_type(*values)
    if floating:
        to = floating_type(to)
    if to not in HALVES:
        return [cast(x, to) for x in values], to
    return [_widened(x, to) for x in values], to


def check_broadcast(*values: Any) -> None:
    """Raises torch's error where the sizes of the operands do not broadcast."""
    check_sizes(*[np.shape(x) for x in values if x is not None])


def check_sizes(*shapes: tuple[int, ...]) -> None:
    """Raises torch's error where the sizes do not broadcast."""
    if len(set(shapes)) < 2:
        return
    rank = max(map(len, shapes))
    size = (1,) * rank
    for shape in shapes:
        full = (1,) * (rank - len(shape)) + shape
        for dim in reversed(range(rank)):
            if full[dim] != size[dim] and 1 not in (full[dim], size[dim]):
                raise RuntimeError(
                    f"The size of tensor a ({size[dim]}) must match the size of tensor b "
                    f"({full[dim]}) at non-singleton dimension {dim}"
                )
        size = tuple(b if a == 1 else a for a, b in zip(size, full))


def _widened(x: Any, to: dtype) -> jax.Array:
    exact = x if _is_number(x) else cast(x, to)
    return cast(exact, _dtype.float32)


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex)) or getattr(x, "weak_type", False)


def is_float(x: Any) -> bool:
    """Whether an array (or number) is of a real floating type."""
    return dtype_of(x).is_floating_point


def is_bool(x: Any) -> bool:
    """Whether an array (or number) is boolean."""
    return dtype_of(x) is _dtype.bool_


def is_integral(x: Any, bools: bool = True) -> bool:
    """Whether an array (or number) is of an integer type; `bools` counts booleans in."""
    kind = dtype_of(x)
    return not kind.is_floating_point and not kind.is_complex and (bools or not is_bool(x))


def reject(
    name: str, x: Any, *, complexes: bool = False, bools: bool = False, halves: bool = False
) -> None:
    """Raises torch's error where its CPU kernel `name` has no version for the type of `x`."""
    kind = dtype_of(x)
    if (
        (complexes and kind.is_complex)
        or (bools and kind is _dtype.bool_)
        or (halves and kind in HALVES)
    ):
        raise NotImplementedError(f'"{name}" not implemented for {_dtype.scalar_name(kind)!r}')


def python_number(x: Any) -> bool:
    """Whether `x` is a Python number, or the tracer that stands for one."""
    return _is_number(x) and np.ndim(x) == 0
