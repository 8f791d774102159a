"""What torch asks of any tensor and only sparse, quantized or distant ones answer otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import ops
from torchcompat._tensor._choosing import unwatched
from torchcompat._tensor._convert import convert
from torchcompat._tensor._dispatch import lifted, method
from torchcompat._tensor._faces import check_inplace
from torchcompat._tensor._place import finish, kind_of, put
from torchcompat._tensor._properties import _mapped
from torchcompat._tensor._tensor import Tensor
from torchcompat._tensor._types import result_type

__all__ = [
    "as_strided_",
    "frombuffer",
    "get_device",
    "has_lapack",
    "has_mkl",
    "has_openmp",
    "has_spectral",
    "is_distributed",
    "is_inference",
    "unsafe_split_with_sizes",
]

has_lapack = has_mkl = has_openmp = has_spectral = True


@lifted
def get_device(input: Tensor) -> int:
    """The index of the tensor's device; -1 for the host."""
    return input.get_device()


@lifted
def is_distributed(input: Tensor) -> bool:
    """False: a tensor's parts may lie on several devices, but torch would not call it so."""
    return False


@lifted
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    return input.is_inference()


@method
def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes`, whose results torch does not watch as views."""
    return unwatched(input.split_with_sizes(split_sizes, dim))


def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Makes the tensor a view of its storage with this size and these strides."""
    return input.as_strided_(size, stride, storage_offset)


def frombuffer(
    buffer: Any,
    *,
    dtype: Any,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """A vector of the bytes of an object with the buffer protocol. torch shares them; we copy.

    Args:
        count: elements to read, all by default.
        offset: bytes to skip.
    """
    kind = kind_of("frombuffer", dtype)
    try:
        room = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    size = kind.itemsize
    if room == 0 or count == 0:
        raise ValueError(f"both buffer length ({room}) and count ({count}) must not be 0")
    if not 0 <= offset < room:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({room} bytes) minus 1"
        )
    if count < 0 and (room - offset) % size:
        raise ValueError(
            f"buffer length ({room - offset} bytes) after offset ({offset} bytes) must be a multiple "
            f"of element size ({size})"
        )
    if count > 0 and offset + count * size > room:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({room} bytes)"
        )
    read = memoryview(buffer).cast("B")[offset : None if count < 0 else offset + count * size]
    return finish(put(np.frombuffer(bytes(read), kind.numpy)), requires_grad)


def _fill_diagonal(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Writes a number to the elements whose indices are all equal.

    Args:
        wrap: in a matrix of more rows than columns, begin anew after each square and a row between.
    """
    if isinstance(fill_value, Tensor) and fill_value.ndim == 0:
        fill_value = fill_value.item()
    if not isinstance(fill_value, (bool, int, float, complex)):
        raise TypeError(
            "fill_diagonal_(): argument 'fill_value' (position 1) must be Number, not "
            f"{type(fill_value).__name__}"
        )
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    shape = tuple(self.shape)
    if self.ndim > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    if isinstance(fill_value, complex) and not self.dtype.is_complex:
        name = _dtype.BY_NAME[self.dtype.name].name.rstrip("0123456789")
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    check_inplace(self)
    if self.ndim == 2 and wrap:
        places = np.unravel_index(np.arange(0, shape[0] * shape[1], shape[1] + 1), shape)
    else:
        places = (np.arange(min(shape)),) * self.ndim
    if len(places[0]):
        kind = self.dtype
        value = fill_value if kind.is_floating_point or kind.is_complex else int(fill_value)
        self[tuple(put(np.ascontiguousarray(one)) for one in places)] = value
    return self


def _map2(self: Tensor, x: Tensor, y: Tensor, callable: Any) -> Tensor:
    """Replaces each element by a Python function of it and of those of two tensors. Slow."""
    return self.copy_(_mapped(callable, self, x, y))


def _frexp(self: Tensor) -> Any:
    """Mantissa in [0.5, 1) and exponent of each element."""
    return ops.frexp(self)


def _sparse_only(name: str, layout: str) -> Any:
    def refuse(self: Tensor) -> Any:
        raise RuntimeError(f"{name} expected {layout} layout but got Strided")

    refuse.__name__, refuse.__doc__ = name, f"Of {layout}s only, which do not exist here."
    return refuse


def _refused(name: str, error: type[Exception], text: str) -> Any:
    def refuse(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise error(text)

    refuse.__name__, refuse.__doc__ = name, f"Raises: {text}"
    return refuse


def _to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself (in another type, if asked): it is dense."""
    return self if dtype is None else convert(self, dtype)


_power = Tensor.float_power_


def _float_power(self: Tensor, exponent: Any) -> Tensor:
    """`self` to the power `exponent`, in place; of float64 or complex128 only.

    Raises:
        RuntimeError: the tensor is of another type.
    """
    kind = result_type(self, exponent)
    needed = _dtype.complex128 if kind.is_complex else _dtype.float64
    if self.dtype is not needed:
        held, wanted = _dtype.scalar_name(self.dtype), _dtype.scalar_name(needed)
        raise RuntimeError(
            f"the base given to float_power_ has dtype {held} but the operation's result requires "
            f"dtype {wanted}"
        )
    return _power(self, exponent)


Tensor.float_power_ = _float_power
_SPARSE = "sparse coordinate tensor"
for _name in ("coalesce", "indices", "is_coalesced"):
    setattr(Tensor, _name, _sparse_only(_name, _SPARSE))
Tensor.values = _sparse_only("values", "sparse tensor")
Tensor.to_dense = _to_dense
Tensor.dense_dim = lambda self: self.ndim
Tensor.sparse_dim = lambda self: 0
Tensor.fill_diagonal_, Tensor.map2_, Tensor.frexp = _fill_diagonal, _map2, _frexp
Tensor.const_data_ptr = lambda self: self.data_ptr()
Tensor.name = property(lambda self: None, doc="None: graphs do not name their tensors.")
Tensor.xpu = _refused("xpu", AssertionError, "Torch not compiled with XPU enabled")
Tensor.mtia = _refused("mtia", AssertionError, "Torch not compiled with MTIA enabled.")
Tensor.ipu = _refused("ipu", RuntimeError, "PyTorch is not linked with support for ipu devices")
Tensor.chalf = lambda self, *, memory_format=None: convert(self, _dtype.get("complex32"))
