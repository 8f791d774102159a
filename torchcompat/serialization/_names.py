"""Names that torch's files use for storages and dtypes, and what stands for them here."""

from __future__ import annotations

from torchcompat import _dtype

# Storage class in the file -> dtype of its elements.
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
# Types that torch stores and JAX has no array for.
_UNSUPPORTED_STORAGES = {
    "QUInt8Storage": "quint8",
    "QInt8Storage": "qint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}
_UNSUPPORTED_DTYPES = (
    "complex32",
    "float4_e2m1fn_x2",
    *_UNSUPPORTED_STORAGES.values(),
    *(f"bits{n}" for n in ("1x8", "2x4", "4x2", "8", "16")),
    *(f"{kind}{n}" for kind in ("int", "uint") for n in range(1, 8)),
)

# dtype name -> storage class, for the dtypes that have one of their own; torch writes the others
# (uint16, float8 ...) as untyped bytes with the dtype beside them.
STORAGE_OF = {name: storage for storage, name in STORAGES.items()}


class StorageType:
    """Stands for a storage class of torch (`torch.FloatStorage`) where a file names one."""

    __slots__ = ("name", "dtype")

    def __init__(self, name: str, dtype: _dtype.dtype | None) -> None:
        self.name = name
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


class UnsupportedType:
    """Stands for a dtype or storage of torch that JAX lacks; using it raises."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


def require_dtype(value: object) -> _dtype.dtype:
    """`value` itself, if it is a dtype that JAX can hold.

    Raises:
        NotImplementedError: a torch dtype that JAX lacks (`complex32`, quantised types ...).
        TypeError: no dtype at all.
    """
    if isinstance(value, _dtype.dtype):
        return value
    if isinstance(value, UnsupportedType):
        raise NotImplementedError(
            f"the file holds a tensor of dtype torch.{value.name}, "
            "which torchcompat does not support"
        )
    raise TypeError(f"expected a torch.dtype, but got {type(value).__name__}")


UNTYPED = StorageType("UntypedStorage", None)


def _storage_globals() -> dict[str, object]:
    found: dict[str, object] = {}
    for module in ("torch", "torch.cuda"):
        for name, dtype in STORAGES.items():
            found[f"{module}.{name}"] = StorageType(name, _dtype.BY_NAME[dtype])
        for name, dtype in _UNSUPPORTED_STORAGES.items():
            found[f"{module}.{name}"] = UnsupportedType(dtype)
    found["torch.storage.UntypedStorage"] = found["torch.UntypedStorage"] = UNTYPED
    return found


def _dtype_globals() -> dict[str, object]:
    found: dict[str, object] = {f"torch.{one.name}": one for one in _dtype.BY_NAME.values()}
    return found | {f"torch.{name}": UnsupportedType(name) for name in _UNSUPPORTED_DTYPES}


# Full name in a file -> the object that stands for it.
TYPE_GLOBALS = _storage_globals() | _dtype_globals()
