"""The bases of all DataPipes: datasets whose operations are methods, `pipe.map(f).batch(4)`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from torchcompat.utils.data.dataset import Dataset, IterableDataset

__all__ = ["DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe"]
T_co = TypeVar("T_co", covariant=True)


class _Methods:
    """What registered operations are called through.

    Attributes:
        functions: the operations by the names of their methods.
    """

    functions: ClassVar[dict[str, Callable]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__iter__" in cls.__dict__ and issubclass(cls, IterableDataset):
            cls.__iter__ = _single(cls.__iter__)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        operation = type(self).functions.get(name)
        if operation is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}")
        return functools.partial(operation, self)

    @classmethod
    def register_function(cls, function_name: str, function: Callable) -> None:
        """Has `pipe.function_name(...)` call `function(pipe, ...)`."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: type, enable_df_api_tracing: bool = False
    ) -> None:
        """Has `pipe.function_name(...)` make a `cls_to_register(pipe, ...)`.

        Raises:
            Exception: the name is taken.
        """
        if function_name in cls.functions:
            raise Exception(
                f"Unable to add DataPipe function name {function_name} as it is already taken"
            )
        cls.functions[function_name] = cls_to_register

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_running"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return type(self).__qualname__

    __str__ = __repr__

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *type(self).functions]


class IterDataPipe(_Methods, IterableDataset[T_co]):
    """Samples in sequence; a subclass defines `__iter__`.

    One iterator of a pipe is valid at a time: a new one ends the one before.
    """

    functions: ClassVar[dict[str, Callable]] = {}

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator: ...

    def reset(self) -> None:
        """Called before each pass; a subclass forgets here what the last one left."""


class DFIterDataPipe(IterDataPipe):
    """A pipe of data frames."""


class MapDataPipe(_Methods, Dataset[T_co]):
    """Samples by index; a subclass defines `__getitem__`, and `__len__` if it has a length."""

    functions: ClassVar[dict[str, Callable]] = {}


class DataChunk(list):
    """A batch of samples: a list that knows the samples it was made of.

    Args:
        items: the samples.
    """

    def __init__(self, items: Any) -> None:
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        """The samples as a text."""
        return indent + "[" + ", ".join(str(i) for i in iter(self)) + "]"

    def raw_iterator(self) -> Iterator:
        """The samples as they were given."""
        yield from self.items


def _described(pipe: Any) -> str:
    shown = ", ".join(f"{k}={v}" for k, v in sorted(vars(pipe).items()) if not k.startswith("_"))
    return f"{type(pipe).__qualname__}({shown})"


def _single(method: Callable) -> Callable:
    """An `__iter__` whose earlier iterators end when a new one begins."""

    def begun(self: Any) -> Iterator:
        number = self.__dict__["_running"] = self.__dict__.get("_running", 0) + 1
        self.reset()
        return _samples(self, number, method(self))

    if not inspect.isgeneratorfunction(method):
        return functools.wraps(method)(begun)

    @functools.wraps(method)
    def iterate(self: Any) -> Iterator:
        yield from begun(self)  # so it begins with the first sample, as generators do

    return iterate


def _samples(pipe: Any, number: int, inner: Iterator) -> Iterator:
    """One pass over a pipe.

    Raises:
        RuntimeError: a newer pass has begun.
    """
    while True:
        if pipe.__dict__.get("_running") != number:
            raise RuntimeError(
                "This iterator has been invalidated because another iterator has been created from "
                f"the same IterDataPipe: {_described(pipe)}\nThis may be caused by multiple "
                "references to the same IterDataPipe. We recommend using `.fork()` if that is necessary."
                "\nFor feedback regarding this single iterator per IterDataPipe constraint, feel free "
                "to comment on this issue: https://github.com/pytorch/data/issues/45."
            )
        try:
            sample = next(inner)
        except StopIteration:
            return
        yield sample
