"""A pickle machine that does nothing by itself: what a name or a call means, a subclass says.

Python's own unpickler calls whatever the stack holds and sizes its memory by numbers in the file.
This one runs the binary opcodes of protocols 2 to 5 and hands every step with a meaning to a
method; what it allocates is bounded by the length of its input.

Source: the opcode descriptions in the standard library's `pickletools`.
"""

from __future__ import annotations

import _compat_pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

_MAX_NAME = 4096
_MAX_KEY_PARTS = 1000
_MAPPINGS = (dict, OrderedDict, Counter)
_ORDINARY_KEYS = (str, int, bytes, float, bool, type(None))


class _Stop(Exception):
    """The pickle's last opcode was met."""


class Machine:
    """Runs one pickle from a stream.

    Args:
        stream: a binary file positioned at the pickle.
        limit: bytes between there and the end of the stream; no length in the pickle may exceed it.
        encoding: how byte strings written by Python 2 are decoded ("bytes" keeps them).
    """

    def __init__(self, stream: BinaryIO, limit: int, encoding: str = "utf-8") -> None:
        self._stream = stream
        self._left = self._limit = limit
        self._encoding = encoding
        # A call may copy what is on the stack (`set(list)`), and a few bytes of file repeat it: the
        # work that calls may do is bounded too.
        self._budget = 1_000_000 + 16 * limit
        self._memo: dict[int, Any] = {}
        self._marks: list[list] = []
        self._stack: list[Any] = []
        self._in_foreign_code = False

    # -- what subclasses define ------------------------------------------------------------------

    def find(self, module: str, name: str) -> Any:
        """What the global `module.name` stands for."""
        raise NotImplementedError

    def call(self, function: Any, args: tuple) -> Any:
        """The result of a function that the pickle calls."""
        raise NotImplementedError

    def new(self, kind: Any, args: tuple) -> Any:
        """A new instance of a class that the pickle names."""
        raise NotImplementedError

    def build(self, instance: Any, state: Any) -> None:
        """Gives `instance` its state."""
        raise NotImplementedError

    def persistent(self, identity: Any) -> Any:
        """What the persistent id stands for (a storage)."""
        raise NotImplementedError

    @property
    def consumed(self) -> int:
        """Bytes of the stream that the pickle has taken so far."""
        return self._limit - self._left

    # -- running ---------------------------------------------------------------------------------

    def load(self) -> Any:
        """Runs the pickle to its end and returns the object.

        Raises:
            UnpicklingError: the pickle is damaged, or does what the subclass refuses.
            EOFError: it ends too early.
        """
        operations = _OPERATIONS
        try:
            while True:
                code = self._take(1)[0]
                operation = operations.get(code)
                if operation is None:
                    raise UnpicklingError(f"Unsupported operand {code}")
                operation(self)
        except _Stop as stop:
            return stop.args[0]
        except (UnpicklingError, EOFError, NotImplementedError, RuntimeError, MemoryError):
            raise
        except Exception as error:
            if self._in_foreign_code:
                raise
            what = f"{type(error).__name__}: {error}"
            raise UnpicklingError(f"invalid pickle near byte {self.consumed}: {what}") from error

    def _take(self, count: int) -> bytes:
        if count > self._left:
            raise EOFError("Ran out of input: the file is truncated or damaged")
        data = self._stream.read(count)
        if len(data) != count:
            raise EOFError("Ran out of input: the file is truncated or damaged")
        self._left -= count
        return data

    def _line(self) -> str:
        line = self._stream.readline(min(_MAX_NAME, self._left))
        self._left -= len(line)
        if not line.endswith(b"\n"):
            raise UnpicklingError("the name of a global is not terminated")
        return line[:-1].decode("utf-8")

    def _unpack(self, form: struct.Struct) -> int:
        return form.unpack(self._take(form.size))[0]

    def _push(self, item: Any) -> None:
        self._stack.append(item)

    def _pop_mark(self) -> list:
        items = self._stack
        if not self._marks:
            raise UnpicklingError("unexpected MARK found")
        self._stack = self._marks.pop()
        return items

    def _charge(self, args: Any) -> None:
        for arg in args:
            if isinstance(arg, (str, bytes, bytearray, list, tuple, dict, set)):
                self._budget -= len(arg)
        if self._budget < 0:
            raise UnpicklingError("the pickle copies far more data than it holds")

    # -- opcodes: constants ----------------------------------------------------------------------

    def _proto(self) -> None:
        version = self._take(1)[0]
        if version > 5:
            raise UnpicklingError(f"unsupported pickle protocol: {version}")

    def _frame(self) -> None:
        self._take(8)  # where a frame ends matters to buffered readers only

    def _binint(self) -> None:
        self._push(self._unpack(_INT32))

    def _binint1(self) -> None:
        self._push(self._take(1)[0])

    def _binint2(self) -> None:
        self._push(self._unpack(_UINT16))

    def _long1(self) -> None:
        self._push(int.from_bytes(self._take(self._take(1)[0]), "little", signed=True))

    def _long4(self) -> None:
        size = self._unpack(_INT32)
        if size < 0:
            raise UnpicklingError("LONG pickle has negative byte count")
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def _binfloat(self) -> None:
        self._push(self._unpack(_FLOAT64))

    def _text(self, size: int) -> None:
        self._push(str(self._take(size), "utf-8", "surrogatepass"))

    def _binunicode(self) -> None:
        self._text(self._unpack(_UINT32))

    def _short_binunicode(self) -> None:
        self._text(self._take(1)[0])

    def _binunicode8(self) -> None:
        self._text(self._unpack(_UINT64))

    def _binbytes(self) -> None:
        self._push(self._take(self._unpack(_UINT32)))

    def _short_binbytes(self) -> None:
        self._push(self._take(self._take(1)[0]))

    def _binbytes8(self) -> None:
        self._push(self._take(self._unpack(_UINT64)))

    def _bytearray8(self) -> None:
        self._push(bytearray(self._take(self._unpack(_UINT64))))

    def _old_string(self, data: bytes) -> None:
        self._push(data if self._encoding == "bytes" else data.decode(self._encoding))

    def _short_binstring(self) -> None:
        self._old_string(self._take(self._take(1)[0]))

    def _binstring(self) -> None:
        size = self._unpack(_INT32)
        if size < 0:
            raise UnpicklingError("BINSTRING pickle has negative byte count")
        self._old_string(self._take(size))

    # -- opcodes: containers ---------------------------------------------------------------------

    def _mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _tuple(self) -> None:
        items = tuple(self._pop_mark())
        self._push(items)

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise UnpicklingError("the stack is empty")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def _append(self) -> None:
        item = self._stack.pop()
        self._target(list, "append to lists").append(item)

    def _appends(self) -> None:
        items = self._pop_mark()
        self._target(list, "extend lists").extend(items)

    def _target(self, kind: type, what: str) -> Any:
        target = self._stack[-1]
        if type(target) is not kind:
            raise UnpicklingError(f"Can only {what}, but got {type(target)}")
        return target

    def _setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value], "SETITEM")

    def _setitems(self) -> None:
        self._set_items(self._pop_mark(), "SETITEMS")

    def _set_items(self, items: list, code: str) -> None:
        target = self._stack[-1]
        if type(target) not in _MAPPINGS:
            raise UnpicklingError(
                f"Can only {code} for dict, collections.OrderedDict, "
                f"collections.Counter, but got {type(target)}"
            )
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_hashable(key)
            target[key] = value

    def _additems(self) -> None:
        items = self._pop_mark()
        for item in items:
            check_hashable(item)
        self._target(set, "add items to sets").update(items)

    # -- opcodes: memo and stack -----------------------------------------------------------------

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise UnpicklingError(f"Memo value not found at index {index}")
        self._push(self._memo[index])

    def _binget(self) -> None:
        self._get(self._take(1)[0])

    def _long_binget(self) -> None:
        self._get(self._unpack(_UINT32))

    def _binput(self) -> None:
        self._memo[self._take(1)[0]] = self._stack[-1]

    def _long_binput(self) -> None:
        self._memo[self._unpack(_UINT32)] = self._stack[-1]

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _drop_to_mark(self) -> None:
        self._pop_mark()

    # -- opcodes with a meaning ------------------------------------------------------------------

    def _global(self) -> None:
        self._push(self._find(self._line(), self._line()))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise UnpicklingError("STACK_GLOBAL requires str")
        self._push(self._find(module, name))

    def _find(self, module: str, name: str) -> Any:
        if (module, name) in _compat_pickle.NAME_MAPPING:
            module, name = _compat_pickle.NAME_MAPPING[module, name]
        else:
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        return self.find(module, name)

    def _arguments(self) -> tuple:
        args = self._stack.pop()
        if type(args) is not tuple:
            raise UnpicklingError(f"expected a tuple of arguments, but got {type(args)}")
        self._charge(args)
        return args

    def _reduce(self) -> None:
        args = self._arguments()
        self._stack[-1] = self.call(self._stack[-1], args)

    def _newobj(self) -> None:
        args = self._arguments()
        self._stack[-1] = self.new(self._stack[-1], args)

    def _build(self) -> None:
        state = self._stack.pop()
        self._charge((state,))
        self.build(self._stack[-1], state)

    def _binpersid(self) -> None:
        self._push(self.persistent(self._stack.pop()))

    def _stop(self) -> None:
        raise _Stop(self._stack.pop())


def check_hashable(key: Any) -> None:
    """Refuses keys whose hash would not come back: Python hashes nested tuples by recursion in C.

    Raises:
        UnpicklingError: a tuple nested or shared so deeply that hashing it could crash or hang.
    """
    if type(key) in _ORDINARY_KEYS:
        return
    parts = [key]
    seen = 0
    while parts:
        part = parts.pop()
        if isinstance(part, tuple):
            seen += 1 + len(part)
            if seen > _MAX_KEY_PARTS:
                raise UnpicklingError("a tuple used as a key is nested too deeply")
            parts.extend(part)


def _push_new(make: Callable[[], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine._push(make())


def _push_tuple(count: int) -> Callable[[Machine], None]:
    return lambda machine: machine._tuple_of(count)


_INT32, _UINT16, _UINT32 = struct.Struct("<i"), struct.Struct("<H"), struct.Struct("<I")
_UINT64, _FLOAT64 = struct.Struct("<Q"), struct.Struct(">d")
_BY_LETTER: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": Machine._proto,
    b"\x95": Machine._frame,
    b"N": _push_new(lambda: None),
    b"\x88": _push_new(lambda: True),
    b"\x89": _push_new(lambda: False),
    b")": _push_new(tuple),
    b"]": _push_new(list),
    b"}": _push_new(dict),
    b"\x8f": _push_new(set),
    b"J": Machine._binint,
    b"K": Machine._binint1,
    b"M": Machine._binint2,
    b"\x8a": Machine._long1,
    b"\x8b": Machine._long4,
    b"G": Machine._binfloat,
    b"X": Machine._binunicode,
    b"\x8c": Machine._short_binunicode,
    b"\x8d": Machine._binunicode8,
    b"B": Machine._binbytes,
    b"C": Machine._short_binbytes,
    b"\x8e": Machine._binbytes8,
    b"\x96": Machine._bytearray8,
    b"U": Machine._short_binstring,
    b"T": Machine._binstring,
    b"(": Machine._mark,
    b"t": Machine._tuple,
    b"\x85": _push_tuple(1),
    b"\x86": _push_tuple(2),
    b"\x87": _push_tuple(3),
    b"a": Machine._append,
    b"e": Machine._appends,
    b"s": Machine._setitem,
    b"u": Machine._setitems,
    b"\x90": Machine._additems,
    b"h": Machine._binget,
    b"j": Machine._long_binget,
    b"q": Machine._binput,
    b"r": Machine._long_binput,
    b"\x94": Machine._memoize,
    b"0": Machine._pop,
    b"1": Machine._drop_to_mark,
    b"c": Machine._global,
    b"\x93": Machine._stack_global,
    b"R": Machine._reduce,
    b"\x81": Machine._newobj,
    b"b": Machine._build,
    b"Q": Machine._binpersid,
    b".": Machine._stop,
}
_OPERATIONS = {letter[0]: operation for letter, operation in _BY_LETTER.items()}
