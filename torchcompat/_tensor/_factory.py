"""Tensors of given data: `tensor`, `as_tensor`, `from_numpy` and the legacy constructors."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _device, _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._tensor._convert import convert
from torchcompat._tensor._place import finish, kind_of, put, require_grad, resolve, size_of
from torchcompat._tensor._tensor import Tensor, alias, blank, wrap

__all__ = ["as_tensor", "asarray", "from_numpy", "scalar_tensor", "tensor"]

_NUMPY_TYPES = (
    "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, "
    "uint16, uint8, and bool"
)


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of `data`: a number, (nested) sequence, array or tensor.

    Raises:
        ValueError: the sequences are ragged.
        TypeError, RuntimeError: there is something that is no number in it.
    """
    kind = None if dtype is None else kind_of("tensor", dtype)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach()"
            ".clone() or sourceTensor.detach().clone().requires_grad_(True), rather than "
            "torch.tensor(sourceTensor).",
            stacklevel=2,
        )
    made = build(data, kind, device)
    return require_grad(made) if requires_grad else made


def build(data: Any, kind: Dtype | None = None, device: Any = None) -> Tensor:
    """A tensor with a copy of `data`, converted to `kind` where given."""
    where = resolve(device)
    if isinstance(data, (Tensor, jax.Array)):
        held = alias(data) if isinstance(data, Tensor) else wrap(data)
        if device is None:
            where = None
        return _fresh(convert(held, kind, where))
    if isinstance(data, np.ndarray):
        return _converted(put(from_host(data), where), kind)
    if isinstance(data, np.generic):
        return _converted(put(np.array(data), where), kind)
    found = list(_arrays_in(data))
    if found:
        return _of_tensors(data, found, kind, where)
    return put(_host_array(data, kind), where)


def _fresh(held: Tensor) -> Tensor:
    return wrap(held._read())


def _converted(held: Tensor, kind: Dtype | None) -> Tensor:
    return held if kind is None else convert(held, kind)


def from_host(data: np.ndarray) -> np.ndarray:
    """A contiguous copy of a NumPy array that torch has a type for.

    Raises:
        TypeError: it has none.
    """
    if data.dtype.byteorder not in "=|" + ("<" if np.little_endian else ">"):
        raise ValueError(
            "given numpy array has byte order different from the native byte order. "
            "Conversion between byte orders is currently not supported."
        )
    try:
        _dtype.from_numpy(data.dtype)
    except TypeError:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{data.dtype.type.__name__}. "
            f"The only supported types are: {_NUMPY_TYPES}."
        ) from None
    return np.array(data, order="C", copy=True)


def _arrays_in(data: Any) -> Iterator[Any]:
    """The Tensors and JAX arrays inside nested sequences."""
    if isinstance(data, (list, tuple)):
        kinds = set(map(type, data))
        if kinds <= {int, float, bool, complex}:
            return
        for item in data:
            if isinstance(item, (Tensor, jax.Array)):
                yield item
            else:
                yield from _arrays_in(item)


def _of_tensors(data: Any, found: list, kind: Dtype | None, where: Any) -> Tensor:
    """Nested sequences with one-element tensors in them; tracers stay traced."""
    for one in found:
        if math.prod(one.shape) != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
    to = kind
    for one in found:
        own = one.dtype if isinstance(one, Tensor) else _dtype.from_numpy(one.dtype)
        to = own if to is None else to if kind else _dtype.promote_types(to, own)
    values = [one._read() if isinstance(one, Tensor) else one for one in found]
    plain = _replaced(data, iter([_Slot(i) for i in range(len(found))]))
    host = _host_array(_replaced_numbers(plain), None)
    if kind is None and not _only_slots(plain):
        to = _dtype.promote_types(to, _dtype.from_numpy(host.dtype))
    if not any(isinstance(v, jax.core.Tracer) for v in values):
        filled = _replaced(data, iter([np.asarray(v).reshape(()).item() for v in values]))
        return put(_host_array(filled, to), where)
    with jax.enable_x64(True):
        flat = [
            values[x.index].reshape(()).astype(to.numpy) if isinstance(x, _Slot) else x
            for x in _leaves(plain)
        ]
        return wrap(jnp.stack([jnp.asarray(x, to.numpy) for x in flat]).reshape(host.shape))


class _Slot:
    """Marks where in a nested sequence a tensor stood."""

    def __init__(self, index: int) -> None:
        self.index = index


def _leaves(data: Any) -> Iterator[Any]:
    if isinstance(data, (list, tuple)):
        for item in data:
            yield from _leaves(item)
    else:
        yield data


def _only_slots(data: Any) -> bool:
    return all(isinstance(x, _Slot) for x in _leaves(data))


def _replaced(data: Any, fills: Iterator) -> Any:
    if isinstance(data, (Tensor, jax.Array)):
        return next(fills)
    if isinstance(data, (list, tuple)):
        return [_replaced(item, fills) for item in data]
    return data


def _replaced_numbers(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_replaced_numbers(item) for item in data]
    return False if isinstance(data, _Slot) else data


def _host_array(data: Any, kind: Dtype | None) -> np.ndarray:
    """Numbers in nested sequences as a NumPy array of `kind`, or of the type torch infers."""
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    sizes = _sizes(data)
    seen: set[type] = set()
    _inspect(data, sizes, 0, seen)
    natural = _natural(data, sizes, seen)
    if kind is None:
        kind = _inferred(natural, seen)
    return _fitted(natural, kind, seen)


def _sizes(data: Any) -> tuple[int, ...]:
    sizes = []
    while _is_sequence(data):
        sizes.append(len(data))
        if not len(data):
            break
        data = data[0]
        if isinstance(data, np.ndarray) and data.ndim:
            return (*sizes, *data.shape)
    return tuple(sizes)


def _is_sequence(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return True
    return (
        hasattr(x, "__len__")
        and hasattr(x, "__getitem__")
        and not isinstance(x, (str, bytes, dict, np.generic))
        and getattr(x, "ndim", 1) != 0
    )


def _inspect(data: Any, sizes: tuple[int, ...], dim: int, seen: set[type]) -> None:
    """Checks that the sequences are as long as `sizes` says and notes the types of the numbers."""
    if dim == len(sizes):
        _note(data, seen)
        return
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != sizes[dim]:
        raise ValueError(f"expected sequence of length {sizes[dim]} at dim {dim} (got {len(data)})")
    if isinstance(data, np.ndarray):
        seen.add(data.dtype.type)
        return
    if dim == len(sizes) - 1:
        kinds = set(map(type, data))
        if kinds <= {int, float, bool, complex}:
            seen |= kinds
            return
    for item in data:
        _inspect(item, sizes, dim + 1, seen)


def _note(number: Any, seen: set[type]) -> None:
    if isinstance(number, (bool, int, float, complex, np.generic)):
        seen.add(type(number))
    elif isinstance(number, np.ndarray) and number.ndim == 0:
        seen.add(number.dtype.type)
    elif isinstance(number, (str, bytes)):
        raise ValueError(f"too many dimensions '{type(number).__name__}'")
    elif _is_sequence(number):
        raise TypeError(f"'{type(number).__name__}' object cannot be interpreted as an integer")
    else:
        raise RuntimeError(f"Could not infer dtype of {type(number).__name__}")


def _natural(data: Any, sizes: tuple[int, ...], seen: set[type]) -> np.ndarray:
    if 0 in sizes:
        return np.zeros(sizes)
    if seen <= {int, bool} and int in seen:
        try:
            return np.array(data, dtype=np.int64)
        except OverflowError:
            return np.array(data, dtype=object)
    return np.array(data if isinstance(data, (list, tuple)) or not sizes else list(data))


def _inferred(natural: np.ndarray, seen: set[type]) -> Dtype:
    if natural.dtype == object:
        raise ValueError("Overflow when unpacking long long")
    if natural.dtype.kind in "biu" or not seen:
        return _dtype.from_numpy(natural.dtype) if seen else _dtype.get_default_dtype()
    return functools.reduce(_dtype.promote_types, map(_dtype_of_number, seen))


def _dtype_of_number(kind: type) -> Dtype:
    if issubclass(kind, np.generic):
        return _dtype.from_numpy(kind)
    default = _dtype.get_default_dtype()
    numbers = {bool: _dtype.bool_, int: _dtype.int64, complex: default.to_complex()}
    return numbers.get(kind, default)


def _fitted(natural: np.ndarray, kind: Dtype, seen: set[type]) -> np.ndarray:
    """`natural` as `kind`, by C's rules for numbers.

    Raises:
        RuntimeError: an integer type cannot hold a value.
        TypeError: a complex number is to become real.
    """
    if natural.dtype.kind == "c" and not kind.is_complex:
        raise TypeError("must be real number, not complex")
    if kind.numpy.kind in "iu" and natural.size:
        natural = _whole(natural, kind)
    if kind.name == "float8_e4m3fn":
        natural = np.clip(natural.astype(np.float32), -448, 448)
    with np.errstate(over="ignore", invalid="ignore"):
        return natural.astype(kind.numpy)


def _whole(natural: np.ndarray, kind: Dtype) -> np.ndarray:
    info = np.iinfo(kind.numpy)
    low = -info.max if info.min == 0 else info.min
    if natural.dtype.kind == "f":
        natural = np.trunc(natural)
    if not np.all((natural >= low) & (natural <= info.max)):
        raise RuntimeError(f"value cannot be converted to type {kind.name} without overflow")
    return natural


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor: itself where it is one of that dtype and device already."""
    kind = None if dtype is None else kind_of("as_tensor", dtype)
    if isinstance(data, Tensor):
        return convert(data, kind, None if device is None else _device.device(device))
    return build(data, kind, device)


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`obj` as a tensor; copied where `copy` is true.

    Raises:
        ValueError: `copy` is false and a copy is needed.
    """
    kind = None if dtype is None else kind_of("asarray", dtype)
    shared = isinstance(obj, Tensor) and not copy
    made = as_tensor(obj, kind, device) if shared else build(obj, kind, device)
    if copy is False and made is not obj and not isinstance(obj, jax.Array):
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    if shared and made is obj and obj.requires_grad and not requires_grad:
        made = alias(obj)
    return finish(made, requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor with a copy of `ndarray`. (torch shares the memory; JAX arrays never change.)"""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return put(from_host(ndarray))


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A 0-d tensor of the number `s`, of the default dtype unless told."""
    value = s.item() if hasattr(s, "item") else s
    return finish(build(value, kind_of("scalar_tensor", dtype), device), requires_grad)


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of `data`, of this one's dtype and device unless told."""
    where = self.device if device is None else device
    return finish(build(data, kind_of("new_tensor", dtype, self.dtype), where), requires_grad)


def _construct(cls: type, *data: Any, device: Any = None, **own: Any) -> Tensor:
    """`Tensor(2, 3)` by size, `Tensor([1, 2])` by value, of the default dtype."""
    if own:
        raise TypeError(f"new() got an unexpected keyword argument '{next(iter(own))}'")
    return _filled(cls, data, device)


def _filled(cls: type, data: tuple, device: Any, kind: Dtype | None = None) -> Tensor:
    """A tensor of a class, from a legacy constructor's arguments.

    Args:
        data: sizes, or one sequence, array or tensor.
        kind: the element type; the default dtype if None.
    """
    made, self = _legacy(data, device, kind), blank(cls)
    self._cell, self._layout = made._cell, made._layout
    return self


def _legacy(data: tuple, device: Any, kind: Dtype | None) -> Tensor:
    to = kind or _dtype.get_default_dtype()
    if len(data) != 1 or isinstance(data[0], (int, np.integer)) and not isinstance(data[0], bool):
        size = size_of("Tensor", data) if data else (0,)
        return put(np.zeros(size, to.numpy), resolve(device))
    source = data[0]
    if isinstance(source, tuple) and type(source).__name__ == "Size":
        return put(np.zeros(source, to.numpy), resolve(device))
    if isinstance(source, Tensor):
        if kind is not None and source.dtype is not kind:
            raise TypeError(f"expected {kind} (got {source.dtype})")
        return source
    if isinstance(source, str):
        raise TypeError("new(): invalid data type 'str'")
    if not _is_sequence(source) and not isinstance(source, jax.Array):
        raise TypeError(f"new(): data must be a sequence (got {type(source).__name__})")
    return build(source, to, device)


class _TypedMeta(type):
    """Makes `LongTensor(...)` a Tensor of int64 and `isinstance(t, LongTensor)` a test of dtype."""

    dtype: Dtype

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        return _filled(Tensor, data, device, cls.dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype


def _typed(name: str, kind: Dtype) -> _TypedMeta:
    doc = f"Tensors of {kind}: `{name}(2, 3)` by size, `{name}([1, 2])` by value."
    return _TypedMeta(name, (), {"dtype": kind, "__doc__": doc, "__module__": "torch"})


for _kind in (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
):
    _title = f"{_dtype.scalar_name(_dtype.get(_kind))}Tensor"
    globals()[_title] = _typed(_title, _dtype.get(_kind))
    __all__ += [_title]


def new(self: Tensor, *data: Any, device: Any = None) -> Tensor:
    """The legacy constructor with this tensor's dtype: by sizes, or by data."""
    return _filled(Tensor, data, device, self.dtype)


Tensor.__new__ = _construct
Tensor.new_tensor = new_tensor
Tensor.new = new
