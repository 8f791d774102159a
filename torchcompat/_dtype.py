"""Data types: torch's names and printing over NumPy's and ml_dtypes' types."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from jax import numpy as jnp


class dtype:
    """A torch data type. `.numpy` is the NumPy (or ml_dtypes) type that holds its values.

    Instances are unique: compare with `is`. `str(float32) == "torch.float32"`, as in torch.
    """

    __slots__ = ("name", "numpy", "itemsize", "is_floating_point", "is_complex", "_signed")

    def __init__(self, name: str, numpy_type: object, itemsize: int = 0) -> None:
        """With `itemsize` a type that is a name only: NumPy has none for its values."""
        self.name = name
        if not itemsize:
            self.numpy = np.dtype(numpy_type)  # type: ignore[call-overload]
        self.itemsize = itemsize or self.numpy.itemsize
        self.is_complex = name.startswith("complex")
        self.is_floating_point = name.startswith(("float", "bfloat"))
        signed = name.startswith(("float", "bfloat", "complex", "int"))
        self._signed = signed and not name.endswith("fnu")

    def __getattr__(self, name: str) -> np.dtype:
        if name == "numpy":
            raise NotImplementedError(
                f"dtype=torch.{self.name}: NumPy has no such type, so torchcompat has no tensors of it"
            )
        raise AttributeError(f"'torch.dtype' object has no attribute '{name}'")

    @property
    def is_signed(self) -> bool:
        """Whether there are negative values.

        Raises:
            RuntimeError: the type is quantized or mere bits.
        """
        if self.name.startswith("bits"):
            raise RuntimeError("Bits types are undefined")
        if self.name.startswith(("qu", "qi")):
            raise RuntimeError("isSignedType not supported for quantized types")
        return self._signed

    @property
    def abbr(self) -> str:
        """The short name: `f32`, `i64`, `b8`."""
        return _abbreviation(self.name)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str | tuple:
        return get, (self.name,)

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: dict) -> dtype:
        return self

    def to_real(self) -> dtype:
        """The type of this type's real part (itself unless complex)."""
        return _REAL.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex type whose parts have at least this precision.

        Raises:
            RuntimeError: the type is not a floating-point one, or has 8 bits.
        """
        if self.is_complex:
            return self
        found = _COMPLEX.get(self.name)
        if found is None:
            raise RuntimeError(f"Unknown Complex ScalarType for {scalar_name(self)}")
        return found


def _abbreviation(name: str) -> str:
    """`float32` is f32, `bfloat16` bf16, `bits2x4` b2x4; integers below 8 bits keep their names."""
    for start, short in _SHORT.items():
        rest = name.removeprefix(start)
        if rest != name and name not in _SMALL:
            return short + rest.replace("_", "")
    return _SHORT_WHOLE.get(name, name)


_SMALL = frozenset(f"{sign}int{n}" for sign in ("", "u") for n in range(1, 8))
_SHORT = {"bfloat": "bf", "float": "f", "complex": "c", "uint": "u", "int": "i"}
_SHORT_WHOLE = {
    "bool": "b8",
    "bits8": "b8x1",
    "bits16": "b16x1",
    "bits1x8": "b1x8",
    "bits2x4": "b2x4",
    "bits4x2": "b4x2",
}


_TYPES = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "complex64": np.complex64,
    "complex128": np.complex128,
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8_e8m0fnu": ml_dtypes.float8_e8m0fnu,
}
_ALIASES = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "cfloat": "complex64",
    "cdouble": "complex128",
    "long": "int64",
    "int": "int32",
    "short": "int16",
}

BY_NAME: dict[str, dtype] = {name: dtype(name, kind) for name, kind in _TYPES.items()}
_BY_NUMPY = {one.numpy: one for one in BY_NAME.values()}
BY_NAME |= {alias: BY_NAME[name] for alias, name in _ALIASES.items()}
# Types that can be named and compared, but have no tensors here: bytes an element.
_NAMES_ONLY = (
    dict.fromkeys(sorted(_SMALL), 1)
    | dict.fromkeys(("bits8", "bits1x8", "bits2x4", "bits4x2", "float4_e2m1fn_x2"), 1)
    | dict.fromkeys(("quint8", "qint8", "quint4x2", "quint2x4"), 1)
    | {"bits16": 2, "qint32": 4, "complex32": 4}
)
NAMES_ONLY: dict[str, dtype] = {name: dtype(name, None, n) for name, n in _NAMES_ONLY.items()}
NAMES_ONLY |= {"chalf": NAMES_ONLY["complex32"], "bit": NAMES_ONLY["uint1"]}

float64, float32, float16, bfloat16 = (
    BY_NAME[name] for name in ("float64", "float32", "float16", "bfloat16")
)
complex64, complex128 = BY_NAME["complex64"], BY_NAME["complex128"]
int64, int32, uint8, bool_ = (BY_NAME[name] for name in ("int64", "int32", "uint8", "bool"))
_REAL = {"complex32": float16, "complex64": float32, "complex128": float64}
_COMPLEX = {
    "float16": NAMES_ONLY["complex32"],
    "bfloat16": complex64,
    "float32": complex64,
    "float64": complex128,
}
_UNSIGNED = {BY_NAME[name] for name in ("uint16", "uint32", "uint64")}

_default = float32


def get(name: str) -> dtype:
    """The dtype called `name` ("float32", "half", ...)."""
    return BY_NAME.get(name) or NAMES_ONLY[name]


def from_numpy(kind: object) -> dtype:
    """The dtype whose values have NumPy type `kind`.

    Raises:
        TypeError: torch has no such type.
    """
    found = _BY_NUMPY.get(kind) or _BY_NUMPY.get(np.dtype(kind))  # type: ignore[call-overload]
    if found is None:
        supported = ", ".join(n for n in _TYPES if not n.startswith(("bfloat", "float8")))
        raise TypeError(
            f"can't convert np.ndarray of type {np.dtype(kind)}. "  # type: ignore[call-overload]
            f"The only supported types are: {supported}."
        )
    return found


def get_default_dtype() -> dtype:
    """The dtype that Python floats become."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Makes `d` the dtype that Python floats become.

    Raises:
        TypeError: `d` is not a floating-point dtype.
    """
    global _default
    if not isinstance(d, dtype):
        raise TypeError(
            "invalid dtype object: only floating-point types are supported as the default type"
        )
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default = d
    for listener in on_default_changed:
        listener()


# Whatever caches a result that depends on the default dtype registers its invalidation here.
on_default_changed: list = []


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both convert to, by torch's rules.

    Raises:
        RuntimeError: torch leaves the pair undefined.
    """
    if type1 is type2:
        return type1
    if type1.name.startswith("float8") or type2.name.startswith("float8"):
        raise RuntimeError(
            f"Promotion for Float8 Types is not supported, "
            f"attempted to promote {scalar_name(type1)} and {scalar_name(type2)}"
        )
    for a, b in ((type1, type2), (type2, type1)):
        if a in _UNSIGNED and not b.is_floating_point:
            raise RuntimeError(
                "Promotion for uint16, uint32, uint64 types is not supported, "
                f"attempted to promote {scalar_name(type1)} and {scalar_name(type2)}"
            )
    return from_numpy(jnp.promote_types(type1.numpy, type2.numpy))


_SCALAR_NAMES = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "bool": "Bool",
    "complex32": "ComplexHalf",
    "quint8": "QUInt8",
    "qint8": "QInt8",
    "qint32": "QInt32",
    "quint4x2": "QUInt4x2",
    "quint2x4": "QUInt2x4",
} | {name: name.replace("uint", "UInt").replace("int", "Int") for name in _SMALL}


def scalar_name(one: dtype) -> str:
    """The name that torch's error texts give the type: `Float`, `Long`, `Half`."""
    return _SCALAR_NAMES.get(one.name) or one.name[0].upper() + one.name[1:]
