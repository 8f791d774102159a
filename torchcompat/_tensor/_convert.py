"""Changing a tensor's type or place: `to` in all its forms, `type`, `float`, `cpu` and the rest."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from torchcompat import _device, _dtype
from torchcompat._device import device as Device
from torchcompat._dtype import dtype as Dtype
from torchcompat._memory_format import preserve_format
from torchcompat._ops._registry import ROWS
from torchcompat._tensor import _dispatch
from torchcompat._tensor._tensor import Tensor, wrap

_PYTHON_TYPES = {
    float: _dtype.float64,
    int: _dtype.int64,
    bool: _dtype.bool_,
    complex: _dtype.complex128,
}
_FORMS = (
    "(torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, "
    "bool copy = False, *, torch.memory_format memory_format = None)",
    "(torch.dtype dtype, bool non_blocking = False, bool copy = False, *, "
    "torch.memory_format memory_format = None)",
    "(Tensor tensor, bool non_blocking = False, bool copy = False, *, "
    "torch.memory_format memory_format = None)",
)


def as_dtype(x: Any) -> Dtype | None:
    """A dtype, or a Python type that names one; None for anything else."""
    if isinstance(x, Dtype):
        return x
    return _PYTHON_TYPES.get(x) if isinstance(x, type) else None


def _bad_form(args: tuple, kwargs: dict) -> TypeError:
    given = [_type_name(x) for x in args] + [f"{k}={_type_name(v)}" for k, v in kwargs.items()]
    return TypeError(
        f"to() received an invalid combination of arguments - got ({', '.join(given)}"
        f"{', ' if kwargs and not args else ''}), but expected one of:\n"
        + "".join(f" * {form}\n" for form in _FORMS)
    )


def _type_name(x: Any) -> str:
    name = type(x).__name__
    return f"torch.{name}" if isinstance(x, (Dtype, Device)) else name


class Target(NamedTuple):
    """What the arguments of `to` ask for."""

    device: Device | None
    dtype: Dtype | None
    non_blocking: bool
    copy: bool
    memory_format: Any


def parse_to(args: tuple, kwargs: dict) -> Target:
    """What the arguments of `Tensor.to` or `Module.to` ask for.

    Raises:
        TypeError: they fit none of the three forms.
    """
    rest = dict(kwargs)
    memory_format = rest.pop("memory_format", None)
    names = _names_of(args, rest)
    values = dict(zip(names, args))
    if len(args) > len(names) or set(rest) - set(names) or set(rest) & set(values):
        raise _bad_form(args, kwargs)
    values |= rest
    if not all(isinstance(values.get(flag, False), bool) for flag in ("non_blocking", "copy")):
        raise _bad_form(args, kwargs)
    where, kind = values.get("device"), values.get("dtype")
    other = values.get("other", values.get("tensor"))
    if other is not None:
        where, kind = other.device, other.dtype
    if kind is not None and as_dtype(kind) is None:
        raise _bad_form(args, kwargs)
    if where is not None and not isinstance(where, (str, int, Device)):
        raise _bad_form(args, kwargs)
    return Target(
        None if where is None else _device.device(where),
        as_dtype(kind),
        values.get("non_blocking", False),
        values.get("copy", False),
        memory_format,
    )


def parse_module_to(*args: Any, **kwargs: Any) -> tuple[Device | None, Dtype | None, bool, Any]:
    """The arguments of `Module.to`: `(device, dtype, non_blocking, memory_format)`.

    Raises:
        RuntimeError: a copy is asked for.
        TypeError: they fit none of the three forms.
    """
    target = parse_to(args, kwargs)
    if target.copy or "copy" in kwargs:
        raise RuntimeError(".to() does not accept copy argument")
    return target.device, target.dtype, target.non_blocking, target.memory_format


def _names_of(args: tuple, rest: dict) -> tuple[str, ...]:
    first = args[0] if args else None
    if isinstance(first, Tensor):
        return ("other", "non_blocking", "copy")
    if as_dtype(first) is not None:
        return ("dtype", "non_blocking", "copy")
    if not args and "tensor" in rest:
        return ("tensor", "non_blocking", "copy")
    return ("device", "dtype", "non_blocking", "copy")


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype or on another device; itself when nothing changes.

    Args:
        dtype, device, other: what to become (`to(dtype)`, `to(device, dtype)` or `to(other)`).
        non_blocking: accepted; JAX copies asynchronously anyway.
        copy: makes a new tensor even when nothing changes.
        memory_format: how the dimensions are to lie in memory; by default as they do.
    """
    if len(args) == 1 and not kwargs and isinstance(args[0], Dtype):
        return convert(self, args[0])
    target = parse_to(args, kwargs)
    result, order = convert(self, target.dtype, target.device, target.copy), target.memory_format
    return result if order in (None, preserve_format) else result.contiguous(memory_format=order)


def convert(
    tensor: Tensor, kind: Dtype | None, where: Device | None = None, copy: bool = False
) -> Tensor:
    """`tensor` as `kind` on `where` (None keeps); itself when nothing changes unless `copy`."""
    moves = where is not None and not _same_place(tensor, where)
    result = tensor
    if kind is not None and kind is not tensor.dtype:
        result = _cast(tensor, kind)
    elif copy or (moves and tensor._requires_grad):
        result = _dispatch.call(ROWS["_to_copy"], (tensor, tensor.dtype))
    return _moved(result, where) if moves else result


def _cast(tensor: Tensor, kind: Dtype) -> Tensor:
    if tensor.dtype.is_complex and not kind.is_complex and kind is not _dtype.bool_:
        warnings.warn("Casting complex values to real discards the imaginary part", stacklevel=4)
    return _dispatch.call(ROWS["_to_copy"], (tensor, kind))


def _same_place(tensor: Tensor, where: Device) -> bool:
    here = tensor.device
    if here == where:
        return True
    return here.type == where.type and (where.index is None or (here.index or 0) == where.index)


def jax_device(where: Device) -> jax.Device:
    """The JAX device behind `where`.

    Raises:
        AssertionError: there is no such accelerator, in torch's words.
    """
    try:
        return _device.to_jax(where)
    except RuntimeError:
        if where.type in ("cuda", "xpu"):
            raise AssertionError(f"Torch not compiled with {where.type.upper()} enabled") from None
        raise


def _moved(tensor: Tensor, where: Device) -> Tensor:
    value = tensor._read()
    if where.type == "meta":
        moved = wrap(jax.ShapeDtypeStruct(value.shape, value.dtype))
    elif isinstance(value, jax.ShapeDtypeStruct):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    elif isinstance(value, jax.core.Tracer):
        # Under tracing the compiler places values; a tracer has no device of its own.
        return tensor
    else:
        with jax.enable_x64(True):
            moved = wrap(jax.device_put(value, jax_device(where)))
    moved._requires_grad, moved._grad_fn = tensor._requires_grad, tensor._grad_fn
    moved._output_nr = tensor._output_nr
    return moved


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The name of the tensor's type (`torch.FloatTensor`), or the tensor converted to `dtype`."""
    if dtype is None:
        return type_name(self)
    if isinstance(dtype, str):
        dtype = _TYPE_NAMES.get(dtype) or _unknown(dtype)
    kind = as_dtype(getattr(dtype, "dtype", None)) or as_dtype(dtype)
    if kind is None:
        raise TypeError("invalid type object")
    return convert(self, kind)


def _unknown(name: str) -> Any:
    raise ValueError(f"invalid type: {name!r}")


_TYPE_NAMES = {f"torch.{_dtype.scalar_name(one)}Tensor": one for one in _dtype.BY_NAME.values()}


def type_name(tensor: Tensor) -> str:
    """The tensor's type as torch names it: `torch.FloatTensor`, `torch.cuda.LongTensor`."""
    kind = tensor.device.type
    place = "" if kind == "cpu" else f"{kind}."
    return f"torch.{place}{_dtype.scalar_name(tensor.dtype)}Tensor"


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype and device of `other`."""
    return convert(self, other.dtype, other.device)


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor in the host's memory."""
    return convert(self, None, _CPU)


def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """The tensor on a GPU.

    Raises:
        AssertionError: JAX has no GPU.
    """
    where = _device.device("cuda") if device is None else _device.device(device)
    return convert(self, None, where)


_CPU = _device.device("cpu")
# method: the dtype it converts to.
_CASTS = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
    "cfloat": "complex64",
    "cdouble": "complex128",
}


def _cast_method(name: str, kind: Dtype) -> Callable:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return convert(self, kind)

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = f"The tensor as {kind}; itself if it is that already."
    return method


for _name, _kind in _CASTS.items():
    setattr(Tensor, _name, _cast_method(_name, _dtype.get(_kind)))
Tensor.to = to
Tensor.type = type_
Tensor.type_as = type_as
Tensor.cpu = cpu
Tensor.cuda = cuda
Tensor.is_cuda = property(lambda self: self.device.type == "cuda", doc="Whether a GPU holds it.")
Tensor.is_cpu = property(lambda self: self.device.type == "cpu", doc="Whether the host holds it.")
Tensor.is_meta = property(lambda self: self.device.type == "meta", doc="Whether it has no data.")


def get_device(self: Tensor) -> int:
    """The index of the accelerator that holds the tensor; -1 on the host."""
    where = self.device
    return -1 if where.type in ("cpu", "meta") else where.index or 0


Tensor.get_device = get_device
