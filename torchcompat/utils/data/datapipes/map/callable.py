"""`Mapper`: a function of each sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat.utils.data.datapipes._columns import check_callable
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import MapDataPipe

__all__ = ["MapperMapDataPipe", "default_fn"]


def default_fn(data: Any) -> Any:
    """The sample itself."""
    return data


@functional_datapipe("map")
class MapperMapDataPipe(MapDataPipe):
    """A function of each sample.

    Args:
        datapipe: the samples.
        fn: the function.
    """

    def __init__(self, datapipe: MapDataPipe, fn: Callable = default_fn) -> None:
        check_callable(fn)
        self.datapipe, self.fn = datapipe, fn

    def __getitem__(self, index: Any) -> Any:
        return self.fn(self.datapipe[index])

    def __len__(self) -> int:
        return len(self.datapipe)  # type: ignore[arg-type]
