"""Pieces of torch's error texts that several families share."""

from __future__ import annotations

from typing import Any

from torchcompat import _dtype
from torchcompat._ops._common import dtype_of

# How torch's C++ side spells the types.
_CPP_NAMES = {
    "float64": "double",
    "float32": "float",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
    "int64": "long int",
    "int32": "int",
    "int16": "short int",
    "int8": "signed char",
    "uint8": "unsigned char",
    "uint16": "short unsigned int",
    "uint32": "unsigned int",
    "uint64": "long unsigned int",
    "bool": "bool",
}


def cpp_name(x: Any) -> str:
    """The C++ name of an array's type: `float`, `c10::Half`, `long int`."""
    return cpp_type(dtype_of(x))


def cpp_type(kind: _dtype.dtype) -> str:
    """The C++ name of a type."""
    return _CPP_NAMES.get(kind.name, kind.name)


def scalar(x: Any) -> str:
    """The scalar name of an array's type: `Float`, `Half`, `Long`."""
    return _dtype.scalar_name(dtype_of(x))


def sizes(x: Any) -> str:
    """A shape as C++ prints it: `[2, 3]`."""
    return str(list(x.shape))


def not_implemented(kernel: str, x: Any) -> NotImplementedError:
    """The error of a kernel that torch has not built for an array's type."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar(x)}'")


def require_kernel(kernel: str, x: Any, *categories: str) -> None:
    """Raises unless the array's type is in one of `categories`: "floating", "complex", "integer".

    Raises:
        NotImplementedError: it is not.
    """
    one = dtype_of(x)
    if one.is_complex:
        category = "complex"
    elif one.is_floating_point:
        category = "floating"
    else:
        unbuilt = one is _dtype.bool_ or one.name in ("uint16", "uint32", "uint64")
        category = "bool" if unbuilt else "integer"
    if category not in categories:
        raise not_implemented(kernel, x)
