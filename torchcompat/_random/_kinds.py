"""What torch says and knows of each type that numbers are drawn in."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from jax import numpy as jnp

# torch's name of each type and C++'s; error texts quote both.
_NAMES = {
    "float64": ("Double", "double"),
    "float32": ("Float", "float"),
    "float16": ("Half", "c10::Half"),
    "bfloat16": ("BFloat16", "c10::BFloat16"),
    "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
    "int64": ("Long", "long int"),
    "int32": ("Int", "int"),
    "int16": ("Short", "short int"),
    "int8": ("Char", "signed char"),
    "uint8": ("Byte", "unsigned char"),
    "bool": ("Bool", "bool"),
    "uint16": ("UInt16", "short unsigned int"),
    "uint32": ("UInt32", "unsigned int"),
    "uint64": ("UInt64", "long unsigned int"),
}
_DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}

FLOATS = frozenset(_DIGITS)
SMALL_INTEGERS = frozenset({"int64", "int32", "int16", "int8", "uint8"})
NUMBERS = FLOATS | SMALL_INTEGERS | {"bool"}
INT64 = -(2**63), 2**63 - 1


class Kind(NamedTuple):
    """Facts of one type.

    Attributes:
        title: torch's name of it.
        c_name: the compiler's.
        digits: bits of the significand; 0 if it is no float type.
        least, greatest: its range, as far as int64 reaches for integers; None for other types.
    """

    name: str
    title: str
    c_name: str
    digits: int
    least: Any
    greatest: Any


@functools.cache
def kind_of(dtype: np.dtype) -> Kind:
    """The facts of `dtype`."""
    name = dtype.name
    title, c_name = _NAMES.get(name, (name.capitalize(), f"c10::{name.capitalize()}"))
    return Kind(name, title, c_name, _DIGITS.get(name, 0), *_range(dtype))


def _range(dtype: np.dtype) -> tuple[float | None, float | None]:
    if dtype.name in FLOATS:
        return float(jnp.finfo(dtype).min), float(jnp.finfo(dtype).max)
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind in "iu":
        whole = np.iinfo(dtype)
        return max(int(whole.min), INT64[0]), min(int(whole.max), INT64[1])
    return None, None
