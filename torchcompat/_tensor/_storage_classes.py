"""`FloatStorage` and its kin: torch's older names for a `TypedStorage` of one type."""

from __future__ import annotations

from typing import Any

from torchcompat import _dtype
from torchcompat._tensor._storage import TypedStorage, UntypedStorage

_KINDS = """float64 float32 float16 bfloat16 complex128 complex64 int64 int32 int16 int8 uint8
bool""".split()
_FORMS = """ received an invalid combination of arguments. Expected one of:
 * no arguments
 * (int size)
 * (Sequence data)
 * (*, UntypedStorage wrap_storage)
"""


class _OfOneType(type):
    """The type of classes without instances of their own: what they make is a `TypedStorage`."""

    dtype: _dtype.dtype

    def __instancecheck__(cls, instance: Any) -> bool:
        return type(instance) is TypedStorage and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, wrap_storage: UntypedStorage | None = None, **extra: Any) -> Any:
        title = f"{cls!r}.__new__{_FORMS}"
        if extra:
            raise RuntimeError(f"{title}Keyword argument '{next(iter(extra))}' cannot be specified")
        if len(args) > 1:
            raise RuntimeError(f"{title}Too many positional arguments")
        if wrap_storage is None:
            return TypedStorage(*args, dtype=cls.dtype)
        if args:
            raise RuntimeError(
                f"{title}No positional arguments should be given when using 'wrap_storage'"
            )
        return TypedStorage(wrap_storage=wrap_storage, dtype=cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


class _LegacyStorage(TypedStorage, metaclass=_OfOneType):
    """What the classes of one type derive from."""

    dtype = _dtype.float32  # type: ignore[assignment]


def _named(name: str) -> type:
    kind = _dtype.get(name)
    title = f"{_dtype.scalar_name(kind)}Storage"
    about = f"A `TypedStorage` of {name}: of a size, or of a sequence of numbers."
    return _OfOneType(title, (_LegacyStorage,), {"dtype": kind, "__doc__": about})


def _converting(kind: _dtype.dtype) -> Any:
    def convert(self: TypedStorage) -> TypedStorage:
        elements = self._elements().to(kind)
        return TypedStorage(wrap_storage=elements.untyped_storage(), dtype=kind)

    convert.__name__ = kind.name
    convert.__doc__ = f"The elements as {kind.name}."
    return convert


BY_NAME = {f"{_dtype.scalar_name(_dtype.get(name))}Storage": _named(name) for name in _KINDS}
_storage_classes = {TypedStorage, UntypedStorage, *BY_NAME.values()}
for _alias in "double float half bfloat16 long int short bool".split():
    setattr(TypedStorage, _alias, _converting(_dtype.get(_alias)))
globals().update(BY_NAME)
__all__ = [*BY_NAME, "_storage_classes"]
