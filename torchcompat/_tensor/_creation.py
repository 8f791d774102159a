"""Tensors of constants and of regular steps: `zeros`, `full`, `arange`, `linspace`, `eye` ..."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._tensor import _dispatch
from torchcompat._tensor._place import finish, kind_of, make, put, resolve, size_of
from torchcompat._tensor._tensor import Tensor, from_cell

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "range",
    "zeros",
    "zeros_like",
]


def filled(size: tuple[int, ...], value: Any, kind: Dtype, where: Any = None) -> Tensor:
    """A tensor of `size` with every element `value`."""
    return make(
        size,
        kind,
        lambda: np.full(size, value, kind.numpy) if value else np.zeros(size, kind.numpy),
        lambda: jnp.full(size, value, kind.numpy),
        resolve(where),
    )


def _constant(name: str, value: float, doc: str) -> tuple[Callable, Callable, Callable]:
    """The function, its `_like` form and its `new_` method, for one constant."""

    def create(
        *size: Any,
        out: Tensor | None = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
        **keywords: Any,
    ) -> Tensor:
        size = _one_size(name, size, keywords)
        made = filled(size, value, kind_of(name, dtype, None if out is None else out.dtype), device)
        return finish(made, requires_grad, out)

    def like(
        input: Tensor,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        return full_like(
            input,
            value,
            dtype=dtype,
            device=device,
            requires_grad=requires_grad,
            _name=f"{name}_like",
        )

    def new(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
        **keywords: Any,
    ) -> Tensor:
        size = _one_size(f"new_{name}", size, keywords)
        kind = kind_of(f"new_{name}", dtype, self.dtype)
        return finish(filled(size, value, kind, _place_of(self, device)), requires_grad)

    create.__doc__ = f"A tensor of the given size, {doc}."
    like.__doc__ = f"A tensor of the size, dtype and device of `input`, {doc}."
    new.__doc__ = f"A tensor of the given size with this one's dtype and device, {doc}."
    for function, title in ((create, name), (like, f"{name}_like"), (new, f"new_{name}")):
        function.__name__ = function.__qualname__ = title
    return create, like, new


def _one_size(name: str, size: tuple, keywords: dict) -> tuple[int, ...]:
    """The size, spread out or by keyword; the rest of the keywords must be harmless."""
    if not size and "size" in keywords:
        size = (tuple(keywords.pop("size")),)
    elif not size:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    if name == "empty":
        keywords.pop("memory_format", None)
    for word, given in keywords.items():
        if word != "names" or given is not None:
            raise TypeError(f"{name}() got an unexpected keyword argument '{word}'")
    return size_of(name, size)


def _place_of(tensor: Any, device: Any) -> Any:
    if device is not None:
        return device
    if isinstance(tensor, Tensor) and not _is_traced(tensor):
        return tensor.device
    return None


def _is_traced(tensor: Tensor) -> bool:
    return isinstance(tensor._cell.value, jax.core.Tracer)


zeros, zeros_like, Tensor.new_zeros = _constant("zeros", 0, "filled with zeros")
ones, ones_like, Tensor.new_ones = _constant("ones", 1, "filled with ones")
empty, empty_like, Tensor.new_empty = _constant("empty", 0, "to be filled (here: with zeros)")


def _scalar(value: Any) -> Any:
    return np.asarray(value).item() if hasattr(value, "shape") else value


def _inferred(value: Any) -> Dtype:
    if isinstance(value, bool):
        return _dtype.bool_
    if isinstance(value, int):
        return _dtype.int64
    default = _dtype.get_default_dtype()
    return default.to_complex() if isinstance(value, complex) else default


def full(
    size: Any,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    names: Any = None,
) -> Tensor:
    """A tensor of the given size filled with `fill_value`, whose type it takes unless told."""
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    dims = size_of("full", (size,))
    default = fill_value.dtype if isinstance(fill_value, Tensor) else _inferred(fill_value)
    kind = kind_of("full", dtype, default if out is None else out.dtype)
    return finish(_fill(dims, fill_value, kind, device), requires_grad, out)


def _fill(size: tuple[int, ...], value: Any, kind: Dtype, where: Any) -> Tensor:
    if isinstance(value, Tensor) and _is_traced(value):
        base = filled(size, 0, kind, where)
        base._cell.value = jnp.broadcast_to(value._read(), size).astype(kind.numpy)
        return base
    return filled(size, _fitted(_scalar(value), kind), kind, where)


def _fitted(value: Any, kind: Dtype) -> Any:
    """A Python number as C would convert it to `kind`: fractions dropped, negatives wrapped."""
    if kind is _dtype.bool_ or kind.is_complex:
        return value
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError(f"value cannot be converted to type {kind.name} without overflow")
        value = value.real
    if kind.is_floating_point:
        return value
    info = np.iinfo(kind.numpy)
    if isinstance(value, float) and not math.isfinite(value):
        raise RuntimeError(f"value cannot be converted to type {kind.name} without overflow")
    whole = int(value)
    low = -info.max - (info.min < 0)
    if not low <= whole <= info.max:
        raise RuntimeError(f"value cannot be converted to type {kind.name} without overflow")
    return whole % (info.max + 1) if info.min == 0 else whole


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
    _name: str = "full_like",
) -> Tensor:
    """A tensor of the size, dtype and device of `input`, filled with `fill_value`."""
    if not hasattr(input, "shape") or not hasattr(input, "dtype"):
        raise TypeError(
            f"{_name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    like = input if isinstance(input, Tensor) else _dispatch.to_tensor(input)
    kind = kind_of(_name, dtype, like.dtype)
    return finish(
        _fill(tuple(like.shape), fill_value, kind, _place_of(input, device)), requires_grad
    )


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of the given size with this one's dtype and device, filled with `fill_value`."""
    kind = kind_of("new_full", dtype, self.dtype)
    made = _fill(size_of("new_full", (tuple(size),)), fill_value, kind, _place_of(self, device))
    return finish(made, requires_grad)


Tensor.new_full = new_full


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of the given size and strides over a storage of its own."""
    dims = size_of("empty_strided", (tuple(size),))
    extent = 1 + sum((n - 1) * s for n, s in zip(dims, stride)) if 0 not in dims else 0
    storage = filled((extent,), 0, kind_of("empty_strided", dtype), device)
    return finish(from_cell(storage._cell, dims, tuple(stride)), requires_grad)


Tensor.new_empty_strided = lambda self, size, stride, *, dtype=None, device=None, **rest: (
    empty_strided(size, stride, dtype=dtype or self.dtype, device=_place_of(self, device), **rest)
)


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """A tensor of the given size whose dimensions lie in memory in the order `physical_layout`."""
    strides = [0] * len(size)
    step = 1
    for d in reversed(physical_layout):
        strides[d] = step
        step *= size[d]
    return empty_strided(size, tuple(strides), **options)


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
    return finish(_progression(start, step, count, kind, device), requires_grad, out)


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
    numbers = [_scalar(values.get(k, d)) for k, d in (("start", 0), ("end", 0), ("step", 1))]
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
        return (start + step * np.arange(count, dtype=exact)).astype(kind.numpy)

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
    return finish(made, requires_grad, out)


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
    start, end = _scalar(start), _scalar(end)
    kind = _spaced_kind("linspace", start, end, dtype)
    made = put(_spaced(start, end, _count(steps), kind).astype(kind.numpy), resolve(device))
    return finish(made, requires_grad, out)


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
    start, end = _scalar(start), _scalar(end)
    kind = _spaced_kind("logspace", start, end, dtype)
    exact = _dtype.complex128 if kind.is_complex else _dtype.float64
    powers = np.power(exact.numpy.type(base), _spaced(start, end, _count(steps), exact))
    return finish(put(powers.astype(kind.numpy), resolve(device)), requires_grad, out)


def _spaced_kind(name: str, start: Any, end: Any, dtype: Any) -> Dtype:
    default = _dtype.get_default_dtype()
    if isinstance(start, complex) or isinstance(end, complex):
        default = default.to_complex()
    return kind_of(name, dtype, default)


def _count(steps: Any) -> int:
    count = int(_scalar(steps))
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    return count


def _spaced(start: Any, end: Any, count: int, kind: Dtype) -> np.ndarray:
    """In the arithmetic of `kind`, the second half counted back from `end`, as torch does."""
    whole = not (kind.is_floating_point or kind.is_complex)
    number = np.float64 if whole else kind.numpy.type
    first, last = number(int(start) if whole else start), number(int(end) if whole else end)
    if count < 2:
        return np.full(count, first)
    step = number((last - first) / number(count - 1))
    index = np.arange(count).astype(number)
    half = count // 2
    rising = first + step * index[:half]
    falling = last - step * (number(count - 1) - index[half:])
    return np.concatenate([rising, falling])


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The `n` by `m` (`n`) matrix with ones on its diagonal."""
    for name, length in (("n", n), ("m", m)):
        if length is not None and length < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {length}")
    m = n if m is None else m
    kind = kind_of("eye", dtype, None if out is None else out.dtype)
    made = make(
        (n, m),
        kind,
        lambda: np.eye(n, m, dtype=kind.numpy),
        lambda: jnp.eye(n, m, dtype=kind.numpy),
        resolve(device),
    )
    return finish(made, requires_grad, out)
