"""DataPipes that apply a function to each sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torchcompat.utils.data._utils.collate import default_collate
from torchcompat.utils.data.datapipes._batching import length
from torchcompat.utils.data.datapipes._columns import (
    check_callable,
    of_columns,
    one_target,
    put_column,
)
from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe

__all__ = ["CollatorIterDataPipe", "MapperIterDataPipe"]


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """A function of each sample.

    Args:
        datapipe: the samples.
        fn: the function.
        input_col: the column, or columns, of a sample that it takes.
        output_col: the column that its result goes to: -1 appends; None: in place of the input.
    """

    def __init__(
        self, datapipe: IterDataPipe, fn: Callable, input_col: Any = None, output_col: Any = None
    ) -> None:
        check_callable(fn)
        self.datapipe, self.fn = datapipe, fn
        self.input_col, self.output_col = input_col, one_target(input_col, output_col)

    def __iter__(self) -> Iterator:
        for x in self.datapipe:
            value = of_columns(self.fn, x, self.input_col)
            yield put_column(x, value, self.input_col, self.output_col)

    def __len__(self) -> int:
        return length(self, self.datapipe)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """Each batch put together as tensors.

    Args:
        collate_fn: puts a batch together.
    """

    def __init__(
        self, datapipe: IterDataPipe, conversion: Any = None, collate_fn: Callable | None = None
    ) -> None:
        if isinstance(conversion, dict):
            raise NotImplementedError("Collator: conversion by columns of data frames")
        super().__init__(datapipe, collate_fn or conversion or default_collate)
