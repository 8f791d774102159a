"""Modules that hold modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import itertools
import warnings
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
from typing import Any, Self

from torchcompat.nn.modules._parameter_containers import (
    ParameterDict,
    ParameterList,
    position,
    update_pairs,
)
from torchcompat.nn.modules.module import Module, _addindent

__all__ = [
    "Container",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
]


class Container(Module):
    """A module of the given submodules. Deprecated: subclass `Module`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in "
            "`nn.Module`. Subclass that instead.",
            FutureWarning,
            stacklevel=2,
        )
        for name, module in kwargs.items():
            self.add_module(name, module)


class _Indexed(Module):
    """What Sequential and ModuleList share: children in order, reached by number."""

    def _get_abs_string_index(self, idx: int) -> str:
        """The name of the child at position `idx`, which may count from the end."""
        return list(self._modules)[position(idx, len(self))]

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._get_abs_string_index(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        children = list(self._modules.values())
        where = idx if isinstance(idx, slice) else position(idx, len(self))
        del children[where]
        self._renumber(children)

    def _renumber(self, children: Iterable[Module | None]) -> None:
        self._modules = {str(i): child for i, child in enumerate(children)}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def append(self, module: Module) -> Self:
        """Adds `module` at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Removes and returns the child at `key`; those after it move up."""
        child = self[key]  # type: ignore[index]
        del self[key]
        return child


class Sequential(_Indexed):
    """Runs its modules one after the other, each on the output of the one before.

    Args:
        args: the modules in order; or one OrderedDict of names and modules.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 20, 5), nn.ReLU())
        >>> model = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 20, 5), relu=nn.ReLU()))
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], OrderedDict)
        pairs = args[0].items() if named else zip(map(str, itertools.count()), args)
        for name, module in pairs:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Runs the modules on `input`."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._get_abs_string_index(idx)]

    def _get_item_by_idx(self, iterator: Iterable[Any], idx: int) -> Any:
        return list(iterator)[position(idx, len(self))]

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *_only_sequential(other))

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(list(_only_sequential(other)))

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*(list(self) * self._factor(other)))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Self:
        return self.extend(list(self) * (self._factor(other) - 1))

    def _factor(self, other: Any) -> int:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")
        return other

    def insert(self, index: int, module: Module) -> Self:
        """Puts `module` before position `index`; the children are numbered anew.

        Raises:
            IndexError: `index` lies outside `[-len, len]`.
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        children = list(self)
        children.insert(index, module)
        self._renumber(children)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Adds modules at the end."""
        for module in list(sequential):
            self.append(module)
        return self


def _only_sequential(other: Any) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given."
        )
    return other


class ModuleList(_Indexed):
    """A list of modules, all of them registered.

    Args:
        modules: what it holds at first.

    Example:
        >>> layers = nn.ModuleList([nn.Linear(10, 10) for _ in range(10)])
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self)[idx])
        return self._modules[self._get_abs_string_index(idx)]

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(itertools.chain(self, other))

    def insert(self, index: int, module: Module) -> None:
        """Puts `module` before position `index`, or at the end where `index` lies beyond it.

        Raises:
            KeyError: `index` is negative, which torch's does not support either.
        """
        if index < 0:
            raise KeyError("-1")
        children = list(self)
        children.insert(index, module)
        self._renumber(children)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Adds the modules of an iterable at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, "
                f"but got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def __repr__(self) -> str:
        runs: list[list] = []
        for number, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1][1] = number
            else:
                runs.append([number, number, text])
        if not runs:
            return f"{self._get_name()}()"
        lines = "".join(f"  {_folded(*run)}\n" for run in runs)
        return f"{self._get_name()}(\n{lines})"


def _folded(first: int, last: int, text: str) -> str:
    """One line of the repr: `(0): ...`, or `(0-2): 3 x ...` for equal neighbours."""
    text = _addindent(text, 2)
    if first == last:
        return f"({first}): {text}"
    return f"({first}-{last}): {last - first + 1} x {text}"


class ModuleDict(Module):
    """A dictionary of modules, all of them registered; it keeps the order of insertion.

    Args:
        modules: a mapping, or an iterable of pairs of name and module.

    Example:
        >>> choices = nn.ModuleDict({"conv": nn.Conv2d(10, 10, 3), "pool": nn.MaxPool2d(3)})
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Removes all items."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Removes `key` and returns its module."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """The pairs of name and module."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Adds or replaces items from a mapping or an iterable of pairs."""
        for key, module in update_pairs("ModuleDict.update", "ModuleDict", modules):
            self[key] = module
