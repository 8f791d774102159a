"""Several DataPipes as one."""

from __future__ import annotations

from typing import Any

from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import MapDataPipe

__all__ = ["ConcaterMapDataPipe", "ZipperMapDataPipe"]


class _Several(MapDataPipe):
    """A pipe of several others.

    Raises:
        ValueError: there are none.
        TypeError: one of them is no MapDataPipe, or has no length.
    """

    def __init__(self, *datapipes: MapDataPipe) -> None:
        if not datapipes:
            raise ValueError("Expected at least one DataPipe, but got nothing")
        if not all(isinstance(one, MapDataPipe) for one in datapipes):
            raise TypeError("Expected all inputs to be `MapDataPipe`")
        if not all(hasattr(type(one), "__len__") for one in datapipes):
            raise TypeError("Expected all inputs to be `Sized`")
        self.datapipes: Any = datapipes


@functional_datapipe("concat")
class ConcaterMapDataPipe(_Several):
    """The samples of each pipe, one pipe after the other."""

    def __getitem__(self, index: int) -> Any:
        start = 0
        for one in self.datapipes:
            if index - start < len(one):
                return one[index - start]
            start += len(one)
        raise IndexError(f"Index {index} is out of range.")

    def __len__(self) -> int:
        return sum(map(len, self.datapipes))


@functional_datapipe("zip")
class ZipperMapDataPipe(_Several):
    """Tuples of the samples at one index of each pipe."""

    def __getitem__(self, index: int) -> tuple:
        found = []
        for one in self.datapipes:
            try:
                found.append(one[index])
            except IndexError as error:
                raise IndexError(
                    f"Index {index} is out of range for one of the input MapDataPipes {one}."
                ) from error
        return tuple(found)

    def __len__(self) -> int:
        return min(map(len, self.datapipes))
