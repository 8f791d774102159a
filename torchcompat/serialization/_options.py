"""Process-wide options of reading and writing, as `torch.serialization` has them."""

from __future__ import annotations

import enum
import sys


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


def get_crc32_options() -> bool:
    """Whether `save` computes the CRC-32 of each zip record."""
    return _options.crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Sets whether `save` computes the CRC-32 of each zip record.

    Without, writing is a little faster, other zip tools may complain, and `load` cannot notice a
    damaged record.
    """
    _options.crc32 = compute_crc32
