"""Process-wide options of reading and writing, as `torch.serialization` has them."""

from __future__ import annotations

import enum
import sys
import warnings
from typing import Any


class LoadEndianness(enum.Enum):
    """Byte orders that `set_default_load_endianness` takes."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class SourceChangeWarning(Warning):
    """Torch's category for a pickled class whose source has changed; nothing here warns with it."""


class _Options:
    endianness: LoadEndianness | None = None
    crc32 = True
    skip_data = False


_options = _Options()


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order of zip files that do not say theirs; None stands for little-endian."""
    return _options.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Sets the byte order of zip files that do not say theirs (torch before 2.1 wrote such).

    Raises:
        TypeError: `endianness` is neither a LoadEndianness nor None.
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _options.endianness = endianness


def default_byte_order() -> str:
    """The byte order of zip files that do not say theirs: `little` or `big`."""
    if _options.endianness is LoadEndianness.NATIVE:
        return sys.byteorder
    return "big" if _options.endianness is LoadEndianness.BIG else "little"


class skip_data:
    """A context in which `save` leaves room for the bytes of storages and writes zeros there.

    Raises:
        NotImplementedError: `materialize_fake_tensors` is true.
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        if materialize_fake_tensors:
            raise NotImplementedError("skip_data: materialize_fake_tensors=True")

    def __enter__(self) -> None:
        self._former, _options.skip_data = _options.skip_data, True

    def __exit__(self, *exc: object) -> None:
        _options.skip_data = self._former


def skips_data() -> bool:
    """Whether the bytes of storages are left out."""
    return _options.skip_data


def check_module_version_greater_or_equal(
    module: Any, req_version_tuple: tuple, error_if_malformed: bool = True
) -> bool:
    """Whether the `__version__` of a module is at least the given one.

    Raises:
        RuntimeError: the version has parts of other types, and `error_if_malformed`.
    """
    parts = module.__version__.split(".")
    try:
        found = tuple(type(want)(part) for want, part in zip(req_version_tuple, parts))
    except ValueError as error:
        text = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and "
            f"cannot be compared with tuple {req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(text) from error
        warnings.warn(f"{text}, but continuing assuming that requirement is met")
        return True
    return found >= req_version_tuple


def get_crc32_options() -> bool:
    """Whether `save` computes the CRC-32 of each zip record."""
    return _options.crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Sets whether `save` computes the CRC-32 of each zip record.

    Without, writing is a little faster, other zip tools may complain, and `load` cannot notice a
    damaged record.
    """
    _options.crc32 = compute_crc32
