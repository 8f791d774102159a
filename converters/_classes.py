"""Classes, functions and imported modules of one library as the other's.

What the library itself defines is found by its name. What other packages and files define is loaded a
second time by `torchcompat.ported`. What no import finds, such as a class of `__main__` or of a
function's body, or of a file that does not run as a whole, is made again: the same code, its globals,
defaults and closure translated.
"""

from __future__ import annotations

import builtins
import dis
import functools
import importlib
import importlib.metadata
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from torchcompat.ported._finder import BUILTINS
from torchcompat.ported._routing import NATIVE, PREFIX

# Where the libraries show what their own `__module__` does not tell.
_FACES = ("", "nn", "nn.functional", "nn.init", "Tensor", "special", "linalg", "fft", "autograd")
# The packages that make up a library.
_OWN = {"torch": ("torch",), "torchcompat": ("torchcompat", "converters")}
# Private classes that torch and torchcompat keep at different places.
_RENAMED = {"torch.nn.modules.module._WrappedHook": "torchcompat.nn.modules._hooks.WrappedHook"}
_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"})
_DERIVED = ("__dict__", "__weakref__", "_abc_impl")
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    functools._lru_cache_wrapper,
)
_missing = object()
# Of a class that was made again, the one that it was made from; and by target, the way there.
_origins: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()
_made: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


class Classes:
    """The classes and functions that one translation meets.

    Args:
        convert: the translation; it is called with a value and its path.
    """

    def __init__(self, convert: Any) -> None:
        self.convert, self.direction = convert, convert.direction
        self.globals: dict[int, dict[str, Any]] = {}
        self.later: list[Callable[[], None]] = []
        self.fresh: dict[type, type] = {}
        self.broken: set[str] = set()

    def finish(self) -> None:
        """Fills in the globals and closures of the functions that were made again."""
        while self.later:
            self.later.pop()()

    def keep(self) -> None:
        """Remembers the classes that were made: the next translation has them too."""
        for kind, made in self.fresh.items():
            _made[kind], _origins[made] = made, kind

    # -- what moves ----------------------------------------------------------------------------------

    def moves(self, x: Any) -> bool:
        """Whether a class or function belongs to the source library or is written in its terms."""
        module = getattr(x, "__module__", None)
        if module and (self.direction.route(module) != module or _is_loose(module)):
            return True
        return isinstance(x, type) and any(self._is_own(kind.__module__) for kind in x.__mro__)

    def _is_own(self, module: str | None) -> bool:
        root, _, rest = (module or "").partition(".")
        return root in _OWN[self.direction.source] and not rest.startswith("ported.")

    def class_(self, kind: type, path: str) -> Any:
        """The counterpart of a class."""
        if not self.moves(kind):
            return kind
        made = self.fresh.get(kind) or _made.get(kind) or _origins.get(kind)
        if made is not None:
            return made
        return self._found(kind, path, self._class_again)

    def function(self, x: Any, path: str) -> Any:
        """The counterpart of a function, built-in or method descriptor."""
        if not (self.moves(x) or self.moves(getattr(x, "__objclass__", None))):
            return x
        return self._found(x, path, self._function_again)

    def import_(self, module: types.ModuleType, path: str) -> Any:
        """The counterpart of an imported module."""
        where = self.direction.route(module.__name__)
        if where == module.__name__:
            return module
        try:
            return importlib.import_module(where)
        except ImportError as error:
            self.convert.unsupported(module, path, f"the module {module.__name__}: {error}")

    def instance(self, x: Any, path: str) -> Any:
        """An empty object of the counterpart of the class of `x`."""
        kind = self.class_(type(x), path)
        try:
            return None if kind is None else kind.__new__(kind)
        except TypeError:
            self.convert.unsupported(x, path)

    # -- by name -------------------------------------------------------------------------------------

    def _found(self, x: Any, path: str, again: Callable) -> Any:
        """By name; else `again`, which makes it of its parts."""
        try:
            found = self._by_name(x)
        except Exception as error:  # whatever the source of a package raises
            if not _is_loose(x.__module__):
                why = f"whose source does not run on {self.direction.target}: {error}"
                return self.convert.unsupported(x, path, why)
            self.broken.add(x.__module__)
            found = _missing
        if found is not _missing:
            return found
        is_local = "<locals>" in getattr(x, "__qualname__", "")
        if self._is_own(getattr(x, "__module__", None)) and not is_local:
            return self.convert.unsupported(x, path)
        return again(x, path)

    def _by_name(self, x: Any) -> Any:
        module, name = x.__module__ or "", getattr(x, "__qualname__", "")
        full = f"{module}.{name}"
        if full in _RENAMED or full in _RENAMED.values():
            renamed = _RENAMED | {ours: theirs for theirs, ours in _RENAMED.items()}
            module, _, name = renamed[full].rpartition(".")
            return getattr(importlib.import_module(module), name)
        if self._is_own(module) or not module:
            return self._in_library(x, module, name)
        if module in {"__main__", *self.broken} or _reached(sys.modules.get(module), name) is not x:
            return _missing
        where = self.direction.route(module)
        if where == module:
            if self.direction.target != "torchcompat":
                return _missing
            where = PREFIX + module
        try:
            return _reached(importlib.import_module(where), name)
        except ModuleNotFoundError as error:
            if where == error.name or where.startswith(f"{error.name}."):
                return _missing
            raise

    def _in_library(self, x: Any, module: str, name: str) -> Any:
        where = self.direction.route(module) if module else ""
        if where != module and _reached(sys.modules.get(module), name) is x:
            found = _reached(_module(where), name)
            if found is not _missing:
                return found
        for face in _FACES:
            own, other = (
                _face(root, face) for root in (self.direction.source, self.direction.target)
            )
            for key in _names(own, x):
                found = getattr(other, key, _missing)
                if found is not _missing:
                    return found
        return _missing

    # -- made again ----------------------------------------------------------------------------------

    def _class_again(self, kind: type, path: str) -> Any:
        bases = tuple(self.class_(base, path) for base in kind.__bases__)
        if None in bases or isinstance(kind, types.GenericAlias):
            return None
        where = path or kind.__qualname__
        members = {
            name: self._member(value, f"{where}.{name}")
            for name, value in vars(kind).items()
            if name not in _DERIVED and not isinstance(value, _SLOTS)
        }
        made = self.fresh[kind] = type(kind)(kind.__name__, bases, members)
        return made

    def _member(self, x: Any, path: str) -> Any:
        if isinstance(x, (staticmethod, classmethod)):
            return type(x)(self.convert(x.__func__, path))
        if isinstance(x, property):
            get, put, delete = (self.convert(part, path) for part in (x.fget, x.fset, x.fdel))
            return type(x)(get, put, delete, x.__doc__)
        if isinstance(x, functools.cached_property):
            made = functools.cached_property(self.convert(x.func, path))
            made.__set_name__(object, x.attrname)  # type: ignore[arg-type]
            return made
        return self.convert(x, path)

    def _function_again(self, x: Any, path: str) -> Any:
        if isinstance(x, functools._lru_cache_wrapper):
            return functools.lru_cache(**x.cache_parameters())(self.convert(x.__wrapped__, path))
        if not isinstance(x, types.FunctionType):
            return self.convert.unsupported(x, path)
        cells = tuple(types.CellType() for _ in x.__closure__ or ())
        made = types.FunctionType(x.__code__, self._globals_of(x), x.__name__, None, cells)
        made.__qualname__, made.__module__, made.__doc__ = x.__qualname__, x.__module__, x.__doc__
        made.__annotations__ = x.__annotations__
        where = path or x.__qualname__
        self.convert.remember(x, made)
        self.later.append(functools.partial(self._fill, x, made, where))
        return made

    def _fill(self, x: Any, made: Any, path: str) -> None:
        """What a function takes along: defaults, attributes, closure and globals."""
        made.__defaults__ = self.convert(x.__defaults__, f"{path}: defaults")
        made.__kwdefaults__ = self.convert(x.__kwdefaults__, f"{path}: defaults")
        made.__dict__.update(self.convert(dict(x.__dict__), path))
        for name, old, new in zip(
            x.__code__.co_freevars, x.__closure__ or (), made.__closure__ or ()
        ):
            try:
                new.cell_contents = self._held(old.cell_contents, f"{path}: {name}")
            except ValueError:
                pass  # an empty cell
        for name in _globals_in(x.__code__):
            if name in x.__globals__ and name not in made.__globals__:
                made.__globals__[name] = self._held(x.__globals__[name], f"{path}: {name}")

    def _held(self, x: Any, path: str) -> Any:
        """The translation of what a function refers to: itself where that changes nothing."""
        made = self.convert(x, path)
        return x if _same(x, made) else made

    def _globals_of(self, function: Any) -> dict[str, Any]:
        given = function.__globals__
        if id(given) not in self.globals:
            ours = self.direction.target == "torchcompat"
            made = {"__builtins__": BUILTINS if ours else vars(builtins)}
            made["__name__"] = given.get("__name__")
            self.globals[id(given)] = made
        return self.globals[id(given)]


def _globals_in(code: types.CodeType) -> Iterator[str]:
    """The names of globals that a function and those inside of it use."""
    for step in dis.get_instructions(code):
        if step.opname in _GLOBALS:
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_in(constant)


def _same(x: Any, made: Any) -> bool:
    """Whether a translated container still holds the very same things."""
    if x is made:
        return True
    if type(x) is not type(made) or not isinstance(x, (list, tuple, dict, set)):
        return False
    if isinstance(x, set):
        return x == made
    if isinstance(x, dict):
        return list(x) == list(made) and _same(list(x.values()), list(made.values()))
    return len(x) == len(made) and all(map(_same, x, made))


def _is_loose(module: str) -> bool:
    """Whether a module is a user's own, which no installed package brings."""
    return _is_loose_root(module.partition(".")[0])


@functools.cache
def _is_loose_root(root: str) -> bool:
    known = NATIVE | sys.stdlib_module_names - {"__main__"}
    return root not in known and root not in importlib.metadata.packages_distributions()


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _reached(x: Any, name: str) -> Any:
    """The attribute that a dotted name leads to."""
    for part in name.split("."):
        x = getattr(x, part, _missing)
    return x


def _face(root: str, name: str) -> Any:
    x = importlib.import_module(root)
    return _reached(x, name) if name else x


def _names(face: Any, x: Any) -> list[str]:
    """The names by which a module or class shows `x`, its own name first."""
    own = getattr(x, "__name__", "")
    names = [key for key, value in vars(face).items() if value is x]
    if own not in names and getattr(face, own, None) is x:
        names.append(own)
    return sorted(names, key=lambda key: key != own)
