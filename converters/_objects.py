"""Whole values between torch and torchcompat: tensors, containers, objects and modules.

An object is taken over attribute by attribute; its class, and the functions that it holds, are those of
the other library (`_classes`). What has no counterpart is collected and named in one error.
"""

from __future__ import annotations

import enum
import functools
import importlib
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from converters._classes import FUNCTIONS, Classes
from converters._modules import filled, is_module, module
from converters._tensors import is_torch_tensor, tensor_from_torch, tensor_to_torch
from torchcompat._tensor import Tensor
from torchcompat.ported._routing import native_name, route

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
# The flag of a class that Python code defines: its objects have no state that Python cannot see.
_PYTHON_CLASS = 1 << 9
_NAMED = ("dtype", "device", "layout", "memory_format")


def from_torch(x: Any) -> Any:
    """The torchcompat counterpart of a torch tensor, `state_dict`, nested container or module.

    A module keeps its structure, weights, buffers, ties, parametrizations, hooks and modes. Its class
    is torchcompat's own, or is loaded again from the source of the package or file that has it
    (`torchcompat.ported`), or, where no import finds it, made again of the same code.

    Args:
        x: what torch made. Every bit of every tensor is kept; tensors that share a storage, tied
            parameters and shared modules stay shared. torch itself is never imported.

    Raises:
        NotImplementedError: something in it has no counterpart here; the text names all of it.

    Example:
        >>> model = from_torch(torch.nn.Linear(2, 3))
    """
    return _Translation(_FROM_TORCH).whole(x)


def to_torch(x: Any, into: Any = None) -> Any:
    """The torch counterpart of a torchcompat tensor, `state_dict`, nested container or module.

    Args:
        x: what torchcompat made; with `into`, a module, a `state_dict` or what `wrap` gave.
        into: a torch module of the same architecture to fill, strictly, and to return.

    Raises:
        NotImplementedError: something in it has no counterpart in torch; the text names all of it.
        RuntimeError: with `into`, names or shapes differ; the text lists all of them.
        ModuleNotFoundError: torch is not installed.
    """
    convert = _Translation(_TO_TORCH).whole
    return convert(x) if into is None else filled(into, x, convert)


@dataclass(frozen=True)
class Direction:
    """From which library to which.

    Attributes:
        title: the function that users called.
        source, target: top-level names of the libraries.
        tensor: converts a tensor, given what has been converted already.
        is_tensor: whether a value is a tensor of the source.
        route: of a module's name, the name of its counterpart.
    """

    title: str
    source: str
    target: str
    tensor: Callable[[Any, dict], Any]
    is_tensor: Callable[[Any], bool]
    route: Callable[[str], str]


_FROM_TORCH = Direction(
    "from_torch", "torch", "torchcompat", tensor_from_torch, is_torch_tensor, route
)
_TO_TORCH = Direction(
    "to_torch",
    "torchcompat",
    "torch",
    tensor_to_torch,
    lambda x: isinstance(x, Tensor),
    native_name,
)


class _Translation:
    """One call of a converter; remembers what it has converted, by identity.

    Attributes:
        problems: what cannot be converted, a sentence each.
    """

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.memo: dict[Any, Any] = {}
        self.problems: list[str] = []
        self.classes = Classes(self)

    def whole(self, x: Any) -> Any:
        """Converts `x` and all that hangs on it."""
        result = self(x)
        self.classes.finish()
        if self.problems:
            lines = [f"{self.direction.title}: {p}" for p in dict.fromkeys(self.problems)]
            raise NotImplementedError("\n".join(lines))
        self.classes.keep()
        return result

    def __call__(self, x: Any, path: str = "") -> Any:
        if isinstance(x, _PLAIN) and type(x).__module__ == "builtins":
            return x
        found = self.memo.get(id(x))
        if found is None:
            found = self.remember(x, self._convert(x, path))
        return found[0]

    def remember(self, x: Any, made: Any) -> tuple[Any, Any]:
        """Notes that `x`, which is kept alive, has become `made`."""
        self.memo[id(x)] = made, x
        return self.memo[id(x)]

    def unsupported(self, x: Any, path: str, why: str = "") -> None:
        """Notes that `x`, met at `path`, cannot be converted."""
        kind = x if hasattr(x, "__qualname__") else type(x)
        what = f"{kind.__module__}.{kind.__qualname__}"
        why = why or f"which has no counterpart in {self.direction.target}"
        self.problems.append(f"{path or 'the argument'} is {what}, {why}")

    def _convert(self, x: Any, path: str) -> Any:
        if self.direction.is_tensor(x):
            return self._tensor(x, path)
        if isinstance(x, type):
            return self.classes.class_(x, path)
        if isinstance(x, types.ModuleType):
            return self.classes.import_(x, path)
        if isinstance(x, enum.Enum):
            return self.classes.class_(type(x), path)[x.name]
        if is_module(x, self.direction.source):
            return module(self, x, path)
        for kinds, convert in _BY_KIND:
            if isinstance(x, kinds):
                return convert(self, x, path)
        if isinstance(x, FUNCTIONS):
            return self.classes.function(x, path)
        return self._object(x, path)

    def _tensor(self, x: Any, path: str) -> Any:
        try:
            made = self.direction.tensor(x, self.memo)
            if getattr(x, "__dict__", None) and hasattr(made, "__dict__"):
                made.__dict__.update(self(dict(x.__dict__), path))
            return made
        except NotImplementedError as error:
            self.problems.append(str(error).partition(": ")[2] + (path and f", at {path}"))

    def _object(self, x: Any, path: str) -> Any:
        kind = type(x)
        if not self.classes.moves(kind):
            return x
        if kind.__name__ in _NAMED and kind.__module__ in ("torch", "torchcompat._dtype"):
            return _by_text(x, self.direction.target)
        if kind.__name__ == "Generator":
            return self._generator(x, path)
        if not kind.__flags__ & _PYTHON_CLASS:
            return self.unsupported(x, path)
        return self.attributes(x, self.classes.instance(x, path), path)

    def attributes(self, x: Any, fresh: Any, path: str) -> Any:
        """`fresh` with the attributes of `x`."""
        self.remember(x, fresh)
        if hasattr(x, "__setstate__") and type(x).__getstate__ is not object.__getstate__:
            fresh.__setstate__(self(x.__getstate__(), path))
            return fresh
        for name, value in getattr(x, "__dict__", {}).items():
            object.__setattr__(fresh, name, self(value, f"{path}.{name}" if path else name))
        for kind in type(x).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(x, name):
                    object.__setattr__(fresh, name, self(getattr(x, name), f"{path}.{name}"))
        return fresh

    def _generator(self, x: Any, path: str) -> Any:
        made = importlib.import_module(self.direction.target).Generator()
        return made.set_state(self(x.get_state(), path))

    # -- containers and what else Python itself has ----------------------------------------------

    def _mapping(self, x: dict, path: str) -> Any:
        kind = type(x)
        if kind.__module__.startswith("torchcompat.nn."):
            fresh: Any = {}  # a module's own dictionaries
        elif isinstance(x, defaultdict):
            fresh = kind(self(x.default_factory, f"{path}.default_factory"))
        else:
            fresh = self.classes.instance(x, path) if self.classes.moves(kind) else kind()
        self.remember(x, fresh)
        for key, one in x.items():
            fresh[self(key, path)] = self(one, f"{path}.{key}" if path else f"{key}")
        if isinstance(x, OrderedDict):
            fresh.__dict__.update(self(dict(x.__dict__), path))
        return fresh

    def _sequence(self, x: Any, path: str) -> Any:
        kind = self.classes.class_(type(x), path)
        if isinstance(x, (tuple, frozenset)):
            items = [self(one, f"{path}[{i}]") for i, one in enumerate(x)]
            return kind(*items) if hasattr(x, "_fields") else kind(items)
        fresh = kind() if not isinstance(x, deque) else kind(maxlen=x.maxlen)
        self.remember(x, fresh)
        add = fresh.add if isinstance(x, set) else fresh.append
        for i, one in enumerate(x):
            add(self(one, f"{path}[{i}]"))
        return fresh

    def _partial(self, x: Any, path: str) -> Any:
        return type(x)(
            self(x.func, path), *self(list(x.args), path), **self(dict(x.keywords), path)
        )

    def _method(self, x: Any, path: str) -> Any:
        """A bound method: the one of that name where its class has it, else its function, bound."""
        owner, name = self(x.__self__, path), x.__name__
        kind = x.__self__ if isinstance(x.__self__, type) else type(x.__self__)
        if getattr(getattr(kind, name, None), "__func__", getattr(kind, name, None)) is x.__func__:
            return getattr(owner, name, None)
        function = self(x.__func__, path)
        return None if function is None else types.MethodType(function, owner)

    def _reference(self, x: Any, path: str) -> Any:
        return x if x() is None else weakref.ref(self(x(), path))


def _by_text(x: Any, target: str) -> Any:
    library, text = importlib.import_module(target), str(x)
    return (
        library.device(text)
        if type(x).__name__ == "device"
        else getattr(library, text.rpartition(".")[2])
    )


_BY_KIND: tuple[tuple[Any, Callable], ...] = (
    (dict, _Translation._mapping),
    ((list, tuple, set, frozenset, deque), _Translation._sequence),
    ((functools.partial, functools.partialmethod), _Translation._partial),
    (types.MethodType, _Translation._method),
    (weakref.ref, _Translation._reference),
)
