"""Modules that hold parameters by number or name: ParameterList and ParameterDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Any, Self

from torchcompat._tensor import Tensor
from torchcompat.nn.modules._attributes import typename
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter


def position(idx: Any, length: int) -> int:
    """`idx` counted from the front.

    Raises:
        IndexError: it lies outside a sequence of `length` items.
        TypeError: it is not an integer.
    """
    number = operator.index(idx)
    if not -length <= number < length:
        raise IndexError(f"index {number} is out of range")
    return number % length


def update_pairs(caller: str, kind: str, items: Any) -> list[tuple]:
    """The pairs in what a dictionary-like module is updated from.

    Args:
        caller, kind: how torch's error texts name the method and the class.
    """
    if not isinstance(items, Iterable):
        raise TypeError(
            f"{caller} should be called with an iterable of key/value pairs, "
            f"but got {type(items).__name__}"
        )
    if isinstance(items, Mapping) or hasattr(items, "items"):
        return list(items.items())
    return [_pair(kind, number, item) for number, item in enumerate(items)]


def _pair(kind: str, number: int, item: Any) -> tuple:
    if not isinstance(item, Iterable):
        raise TypeError(
            f"{kind} update sequence element #{number} should be Iterable; is{type(item).__name__}"
        )
    pair = tuple(item)
    if len(pair) != 2:
        raise ValueError(
            f"{kind} update sequence element #{number} has length {len(pair)}; 2 is required"
        )
    return pair


def _as_member(value: Any) -> Any:
    """Tensors become parameters; anything else is held as it is."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


def _line(key: Any, value: Any, type_name: str) -> str:
    if not isinstance(value, Tensor):
        return f"  ({key}): Object of type: {type(value).__name__}"
    size = "x".join(map(str, value.shape))
    where = f" (GPU {value.device.index})" if value.device.type == "cuda" else ""
    return f"  ({key}): {type(value).__name__} containing: [{type_name} of size {size}{where}]"


class ParameterList(Module):
    """A list of parameters, all of them registered.

    Tensors become parameters; other values are held but are not parameters.

    Args:
        values: what it holds at first.

    Example:
        >>> params = nn.ParameterList([nn.Parameter(torch.randn(10, 10)) for i in range(10)])
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def _get_abs_string_index(self, idx: int) -> str:
        return str(position(idx, len(self)))

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)([self[i] for i in range(*idx.indices(len(self)))])
        return getattr(self, self._get_abs_string_index(idx))

    def __setitem__(self, idx: int, param: Any) -> None:
        setattr(self, self._get_abs_string_index(idx), _as_member(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __iadd__(self, parameters: Iterable[Any]) -> Self:
        return self.extend(parameters)

    def append(self, value: Any) -> Self:
        """Adds `value` at the end."""
        setattr(self, str(len(self)), _as_member(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Adds the values of an iterable at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, "
                f"but got {type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """One line an item."""
        lines = (_line(k, v, str(getattr(v, "dtype", ""))) for k, v in enumerate(self))
        return "\n".join(lines)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters, all of them registered.

    Tensors become parameters; other values are held but are not parameters. It keeps the order of
    insertion, except that a plain mapping is taken in by sorted names, as in torch.

    Args:
        parameters: a mapping, or an iterable of pairs of name and value.

    Example:
        >>> params = nn.ParameterDict({"left": nn.Parameter(torch.randn(5, 10))})
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _key_to_attr(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}'). Open an issue on github if you need non-string "
                "keys."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._key_to_attr(key))

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, self._key_to_attr(key), _as_member(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._key_to_attr(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """A new ParameterDict of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of `key`, set to `default` first where missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Removes all items."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Removes `key` and returns its value."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Removes and returns the last pair."""
        if not self._keys:
            raise KeyError("popitem(): dictionary is empty")
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        return self[key] if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new ParameterDict with `default` under each of `keys`."""
        return ParameterDict([(key, default) for key in keys])

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs of name and value."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Adds or replaces items from a mapping or an iterable of pairs."""
        pairs = update_pairs("ParametersDict.update", "ParameterDict", parameters)
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs = sorted(pairs, key=lambda pair: pair[0])
        for key, value in pairs:
            self[key] = value

    def extra_repr(self) -> str:
        """One line an item."""
        return "\n".join(_line(key, value, typename(value)) for key, value in self.items())

    def __call__(self, input: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: Any) -> ParameterDict:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: Any) -> Any:
        merged = other.copy()
        merged.update(self)
        return merged

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self
