"""`Filter`: some of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.utils.data.datapipes._columns import check_callable, of_columns
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe

__all__ = ["FilterIterDataPipe"]


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The samples of which a function is true.

    Args:
        datapipe: the samples.
        filter_fn: gives a bool.
        input_col: the column, or columns, of a sample that it takes.

    Raises:
        ValueError: the function gives something else.
    """

    def __init__(self, datapipe: IterDataPipe, filter_fn: Callable, input_col: Any = None) -> None:
        check_callable(filter_fn)
        self.datapipe, self.filter_fn, self.input_col = datapipe, filter_fn, input_col

    def __iter__(self) -> Iterator:
        for x in self.datapipe:
            kept: Any = of_columns(self.filter_fn, x, self.input_col)
            if isinstance(kept, Tensor) and kept.numel() == 1:
                kept = kept.item()
            if not isinstance(kept, bool):
                raise ValueError(
                    "Boolean output is required for `filter_fn` of FilterIterDataPipe, got",
                    type(kept),
                )
            if kept:
                yield x
