"""Tensors of regular steps: `arange`, `linspace`, `logspace`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._tensor._creation import scalar
from torchcompat._tensor._place import finish, kind_of, make, put, resolve
from torchcompat._tensor._tensor import Tensor

__all__ = ["arange", "linspace", "logspace", "range"]


def arange(
    *bounds: Any,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    **keywords: Any,
) -> Tensor:
    """The numbers from `start` (0) up to but without `end` in steps of `step` (1).

    Integers in, int64 out; any float among them makes the default float dtype.

    Raises:
        RuntimeError: `step` is zero or leads away from `end`.
    """
    start, end, step = _bounds("arange", bounds, keywords)
    whole = all(isinstance(x, int) for x in (start, end, step))
    default = _dtype.int64 if whole else _dtype.get_default_dtype()
    kind = kind_of("arange", dtype, default if out is None else out.dtype)
    if not kind.is_floating_point:
        start, end, step = int(start), int(end), int(step)
    _check_range(start, end, step)
    count = math.ceil((end - start) / step) if kind.is_floating_point else -(-(end - start) // step)
    return finish(_progression(start, step, count, kind, device), requires_grad, out, name="arange")


def _bounds(name: str, bounds: tuple, keywords: dict) -> tuple:
    values = dict(zip(("end",) if len(bounds) == 1 else ("start", "end", "step"), bounds))
    if "end" in keywords and len(bounds) == 1:
        values = {"start": bounds[0]}
    for word in keywords:
        if word not in ("start", "end", "step") or word in values:
            raise TypeError(f"{name}() got an unexpected keyword argument '{word}'")
    values |= keywords
    if "end" not in values:
        raise TypeError(f'{name}() missing 1 required positional arguments: "end"')
    numbers = [scalar(values.get(k, d)) for k, d in (("start", 0), ("end", 0), ("step", 1))]
    return tuple(int(x) if isinstance(x, bool) else x for x in numbers)


def _check_range(start: float, end: float, step: float) -> None:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def _progression(start: float, step: float, count: int, kind: Dtype, where: Any) -> Tensor:
    def on_host() -> np.ndarray:
        exact = np.int64 if isinstance(start, int) and isinstance(step, int) else np.float64
        return (start + step * np.arange(count, dtype=exact)).astype(kind.numpy)  # type: ignore[operator]

    def in_xla() -> Any:
        if kind.is_floating_point and kind is not _dtype.float64 and count < 2**16:
            return jnp.asarray(on_host())
        index = lax.iota(np.float64 if kind.is_floating_point else np.int64, count)
        return (start + step * index).astype(kind.numpy)

    return make((count,), kind, on_host, in_xla, resolve(where))


def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from `start` up to and with `end` in steps of `step`; torch deprecates it."""
    if end is None:
        start, end = 0, start
    _check_range(start, end, step)
    count = math.floor((end - start) / step) + 1
    made = _progression(start, step, count, kind_of("range", dtype), device)
    return finish(made, requires_grad, out, name="range")


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included."""
    start, end = _ends("linspace", start, end)
    kind = _spaced_kind("linspace", start, end, dtype)
    made = put(
        spaced(start, end, _count("linspace", start, end, steps), kind).astype(kind.numpy),
        resolve(device),
    )
    return finish(made, requires_grad, out, name="linspace")


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """`base` to the power of `steps` evenly spaced exponents from `start` to `end`."""
    start, end = _ends("logspace", start, end)
    kind = _spaced_kind("logspace", start, end, dtype)
    exact = _dtype.complex128 if kind.is_complex else _dtype.float64
    powers = np.power(
        exact.numpy.type(base), spaced(start, end, _count("logspace", start, end, steps), exact)
    )
    return finish(
        put(powers.astype(kind.numpy), resolve(device)), requires_grad, out, name="logspace"
    )


def _spaced_kind(name: str, start: Any, end: Any, dtype: Any) -> Dtype:
    default = _dtype.get_default_dtype()
    if isinstance(start, complex) or isinstance(end, complex):
        default = default.to_complex()
    return kind_of(name, dtype, default)


def _ends(name: str, start: Any, end: Any) -> tuple[Any, Any]:
    ranks = [len(getattr(x, "shape", ())) for x in (start, end)]
    if any(ranks):
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got start with "
            f"{ranks[0]} dimension(s) and end with {ranks[1]} dimension(s)."
        )
    return scalar(start), scalar(end)


def _count(name: str, start: Any, end: Any, steps: Any) -> int:
    if isinstance(steps, float):
        kinds = ", ".join(type(x).__name__ for x in (start, end, steps))
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({kinds}), but expected "
            "one of:\n * (Number start, Number end, int steps, *, Tensor out = None, ...)\n"
        )
    count = int(scalar(steps))
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    return count


# A type in which a product of two numbers is (nearly) exact.
_EXACT = {"float32": np.float64, "float64": np.longdouble}


def spaced(start: Any, end: Any, count: int, kind: Dtype) -> np.ndarray:
    """In the arithmetic of `kind`, the second half counted back from `end`, as torch does."""
    whole = not (kind.is_floating_point or kind.is_complex)
    number = np.float64 if whole else kind.numpy.type
    first, last = number(int(start) if whole else start), number(int(end) if whole else end)
    if count < 2:
        return np.full(count, first)
    step = number((last - first) / number(count - 1))
    exact = _EXACT.get(kind.name, number)  # torch multiplies and adds with one rounding
    index = np.arange(count).astype(exact)
    half = count // 2
    rising = exact(first) + exact(step) * index[:half]
    falling = exact(last) - exact(step) * (exact(count - 1) - index[half:])
    return np.concatenate([rising, falling]).astype(number)


def frequencies(
    name: str,
    n: int,
    d: float,
    half: bool,
    dtype: Any,
    device: Any,
    requires_grad: bool,
    out: Tensor | None,
) -> Tensor:
    """The frequencies of a transform of `n` elements `d` apart; `half`: those of real values."""
    if not isinstance(n, int):
        raise TypeError(
            f"fft_{name}(): argument 'n' (position 1) must be int, not {type(n).__name__}"
        )
    kind = kind_of(f"fft_{name}", dtype, out.dtype if out is not None else None)
    if not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype")
    if kind.is_complex:
        raise NotImplementedError(f'"arange_cpu" not implemented for {_dtype.scalar_name(kind)!r}')
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    order = np.arange(n // 2 + 1) if half else (np.arange(n) + n // 2) % max(n, 1) - n // 2
    step = 1.0 / (n * d) if n * d else math.inf
    with np.errstate(invalid="ignore"):
        values = order.astype(kind.numpy) * kind.numpy.type(step)
    return finish(put(values.astype(kind.numpy), resolve(device)), requires_grad, out)
