"""Tensors of constants and of regular steps: `zeros`, `full`, `arange`, `linspace`, `eye` ..."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._deterministic import uninitialized
from torchcompat._dtype import dtype as Dtype
from torchcompat._memory_format import strides_for
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._orders import arrange
from torchcompat._tensor._place import finish, kind_of, laid_like, make, resolve, size_of
from torchcompat._tensor._tensor import Tensor, from_cell, is_traced

__all__ = [
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "full",
    "full_like",
    "ones",
    "ones_like",
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


def _constant(
    name: str, value: Callable[[Dtype], Any], doc: str
) -> tuple[Callable, Callable, Callable]:
    """The function, its `_like` form and its `new_` method, for one constant of each type."""

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
        wanted = keywords.pop("memory_format", None) if name == "empty" else None
        size = _one_size(name, size, keywords)
        kind = kind_of(name, dtype, None if out is None else out.dtype)
        made = filled(size, value(kind), kind, device)
        if wanted is not None:
            made = arrange(made, strides_for(wanted, made._layout_now()))
        return finish(made, requires_grad, out, layout=layout, name=name)

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
            value(kind_of(f"{name}_like", dtype, getattr(input, "dtype", None))),
            dtype=dtype,
            layout=layout,
            device=device,
            requires_grad=requires_grad,
            memory_format=memory_format,
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
        return finish(
            filled(size, value(kind), kind, _place_of(self, device)), requires_grad, layout=layout
        )

    create.__doc__ = f"A tensor of the given size, {doc}."
    like.__doc__ = f"A tensor of the size, dtype and device of `input`, {doc}."
    new.__doc__ = f"A tensor of the given size with this one's dtype and device, {doc}."
    for function, title in ((create, name), (like, f"{name}_like"), (new, f"new_{name}")):
        function.__name__ = function.__qualname__ = title
    return create, lifted(like), new


def _one_size(name: str, size: tuple, keywords: dict) -> tuple[int, ...]:
    """The size, spread out or by keyword; the rest of the keywords must be harmless."""
    if not size and "size" in keywords:
        size = (tuple(keywords.pop("size")),)
    elif not size:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    for word, given in keywords.items():
        if word != "names" or given is not None:
            raise TypeError(f"{name}() got an unexpected keyword argument '{word}'")
    return size_of(name, size)


def _place_of(tensor: Any, device: Any) -> Any:
    if device is not None:
        return device
    if isinstance(tensor, Tensor) and not is_traced(tensor):
        return tensor.device
    return None


zeros, zeros_like, Tensor.new_zeros = _constant("zeros", lambda kind: 0, "filled with zeros")
ones, ones_like, Tensor.new_ones = _constant("ones", lambda kind: 1, "filled with ones")
empty, empty_like, Tensor.new_empty = _constant(
    "empty", uninitialized, "to be filled (here: with zeros)"
)


def scalar(value: Any) -> Any:
    """A number, taken out of the 0-d tensor or array that may hold it."""
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
    return finish(
        _fill(dims, fill_value, kind, device), requires_grad, out, layout=layout, name="full"
    )


def _fill(size: tuple[int, ...], value: Any, kind: Dtype, where: Any) -> Tensor:
    if isinstance(value, Tensor) and is_traced(value):
        base = filled(size, 0, kind, where)
        base._cell.value = jnp.broadcast_to(value._read(), size).astype(kind.numpy)
        return base
    return filled(size, _fitted(scalar(value), kind), kind, where)


def _overflow(kind: Dtype) -> RuntimeError:
    name = "int" if kind is _dtype.int32 else f"{kind.name}_t"
    return RuntimeError(f"value cannot be converted to type {name} without overflow")


def _fitted(value: Any, kind: Dtype) -> Any:
    """A Python number as C would convert it to `kind`: fractions dropped, negatives wrapped."""
    if kind is _dtype.bool_ or kind.is_complex:
        return value
    if isinstance(value, complex):
        if value.imag:
            raise _overflow(kind)
        value = value.real
    if kind.is_floating_point:
        return value
    info = np.iinfo(kind.numpy)
    if isinstance(value, float) and not math.isfinite(value):
        raise _overflow(kind)
    whole = int(value)
    low = -info.max - (info.min < 0)
    if not low <= whole <= info.max:
        raise _overflow(kind)
    return whole % (info.max + 1) if info.min == 0 else whole


@lifted
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
    kind, where = kind_of(_name, dtype, input.dtype), _place_of(input, device)
    made = laid_like(lambda size: _fill(size, fill_value, kind, where), input, memory_format)
    return finish(made, requires_grad, layout=layout)


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
    return finish(made, requires_grad, layout=layout)


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
    kind = kind_of("empty_strided", dtype)
    storage = filled((extent,), uninitialized(kind), kind, device)
    return finish(from_cell(storage._cell, dims, tuple(stride)), requires_grad, layout=layout)


Tensor.new_empty_strided = lambda self, size, stride, *, dtype=None, device=None, **rest: (
    empty_strided(size, stride, dtype=dtype or self.dtype, device=_place_of(self, device), **rest)
)


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """A tensor of the given size whose dimensions lie in memory in the order `physical_layout`."""
    order = list(physical_layout)
    if len(order) != len(size):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. "
            f"len(size) = {len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    for place, d in enumerate(order):
        if not 0 <= d < len(order):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(order) - 1}, but got "
                f"{d} at index {place}).  NB: negative dims not currently supported; "
                "file an issue if you want it."
            )
    if len(set(order)) < len(order):
        raise RuntimeError("Duplicate dim not allowed")
    strides = [0] * len(order)
    step = 1
    for d in reversed(order):
        strides[d] = step
        step *= size[d]
    return empty_strided(size, tuple(strides), **options)


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
    return finish(made, requires_grad, out, layout=layout, name="eye")
