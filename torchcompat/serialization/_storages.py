"""The storages of one file: from persistent ids to blocks of bytes on a device."""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, NamedTuple

import numpy as np

from torchcompat import _dtype
from torchcompat.serialization._location import Restore
from torchcompat.serialization._names import StorageType, UnsupportedType, require_dtype
from torchcompat.serialization._storage import TypedStorage, UntypedStorage

_UINT8 = _dtype.BY_NAME["uint8"]


class Request(NamedTuple):
    """What a persistent id asks for. `view` is `(key, offset, numel)` in the older format."""

    kind: StorageType
    key: str
    location: str
    numel: int
    view: tuple | None

    @property
    def dtype(self) -> _dtype.dtype:
        """The dtype of the elements that `numel` counts."""
        return self.kind.dtype or _UINT8

    @property
    def nbytes(self) -> int:
        """Size of the storage in bytes."""
        return self.numel * self.dtype.itemsize


def parse_request(identity: tuple) -> Request:
    """The parts of a storage's persistent id, each checked.

    Raises:
        UnpicklingError: it is malformed.
        NotImplementedError: the storage is of a type that JAX lacks.
    """
    if len(identity) not in (5, 6):
        raise UnpicklingError(f"a storage's persistent id has {len(identity)} parts")
    kind, key, location, numel = identity[1:5]
    if isinstance(kind, UnsupportedType):
        require_dtype(kind)
    if not isinstance(kind, StorageType):
        raise UnpicklingError(f"a storage's type must be a storage class, but got {type(kind)}")
    if type(key) not in (str, bytes, int) or type(location) not in (str, bytes):
        raise UnpicklingError("a storage's key and location must be str")
    view = identity[5] if len(identity) == 6 else None
    if type(numel) is not int or not 0 <= numel < 1 << 60:
        raise UnpicklingError("a storage's size must be a non-negative int")
    return Request(kind, _text(key), _text(location), numel, _checked_view(view))


def _text(value: Any) -> str:
    try:
        return value.decode("ascii") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise UnpicklingError("a storage's key or location is not ASCII") from None


def _checked_view(view: Any) -> tuple | None:
    if view is None:
        return None
    if type(view) is not tuple or len(view) != 3:
        raise UnpicklingError("a storage's view must be a tuple of three")
    if any(type(number) is not int or not 0 <= number < 1 << 60 for number in view[1:]):
        raise UnpicklingError("a storage's view must be made of non-negative ints")
    return view


class StorageTable:
    """Storages by key; each is made once, however often the file refers to it.

    Args:
        block: gives the bytes of a request's storage, or None if it keeps no data (`meta`).
        restore: puts a storage on a device.
        swapped: whether the bytes have the other byte order.
    """

    def __init__(
        self,
        block: Callable[[Request], np.ndarray | None],
        restore: Restore,
        swapped: bool = False,
    ) -> None:
        self._block = block
        self._restore = restore
        self._swapped = swapped
        self._made: dict[str, UntypedStorage] = {}

    def __call__(self, identity: tuple) -> Any:
        """The storage that a persistent id names, as `persistent_load` returns it."""
        request = parse_request(identity)
        found = self._made.get(request.key)
        if found is None:
            found = self._made[request.key] = self._make(request)
        if request.view is not None:
            found = _part(found, request)
        if request.kind.dtype is None:
            return found
        return TypedStorage(found, request.dtype)

    def _make(self, request: Request) -> UntypedStorage:
        block = self._block(request)
        storage = UntypedStorage(block, request.nbytes, swapped=self._swapped)
        return self._restore(storage, request.location)


def _part(storage: UntypedStorage, request: Request) -> UntypedStorage:
    """A part of a storage, which torch before 0.4 could save as a storage of its own."""
    _, offset, numel = request.view or (None, 0, 0)
    size = request.dtype.itemsize
    part = storage.slice(offset * size, numel * size)
    if part is None:
        raise RuntimeError("a storage's view is out of bounds of the storage")
    return part
