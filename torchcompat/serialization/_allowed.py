"""What a checkpoint may name under `weights_only=True`, and what calling each name does."""

from __future__ import annotations

import _codecs
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

from torchcompat import _device
from torchcompat._memory_format import layout, strided
from torchcompat._tensor import Size, Tensor
from torchcompat._tensor._tensor import blank
from torchcompat.nn.parameter import Parameter
from torchcompat.serialization import _rebuild
from torchcompat.serialization._machine import check_hashable
from torchcompat.serialization._names import TYPE_GLOBALS

# Refused even if the user allows something that lives in them.
BLOCKED_MODULES = ("sys", "os", "posix", "nt")


def _unsupported(what: str) -> Callable[..., Any]:
    def refuse(*args: Any) -> Any:
        raise NotImplementedError(f"the file holds {what}, which torchcompat does not support")

    return refuse


def _rebuild_from_type_v2(function: Any, kind: type, args: tuple, state: Any) -> Any:
    """A tensor with attributes of its own, or of a subclass that the user allows."""
    if id(function) not in _REBUILD_IDS or type(args) is not tuple:
        raise UnpicklingError(f"Trying to call reduce for unrecognized function {type(function)}")
    made = function(*args)
    if type(made) is not kind:
        if not is_allowed(kind) or not issubclass(kind, Tensor):
            raise UnpicklingError(f"Can only rebuild a Tensor, but got {type(kind)}")
        made = as_kind(made, kind)
    _rebuild.set_attributes(made, state)
    return made


def as_kind(tensor: Tensor, kind: type) -> Any:
    """`tensor` as an instance of the Tensor subclass `kind`, over the same storage."""
    made = blank(kind)
    made._cell, made._layout = tensor._cell, tensor._layout
    made._requires_grad = tensor._requires_grad
    return made


def _get_layout(name: Any) -> layout:
    """A layout by its name; a tensor with any but `torch.strided` is refused where it is made."""
    if type(name) is not str or name not in _LAYOUTS:
        raise UnpicklingError("a torch.layout must be named by a known str")
    return _LAYOUTS[name]


_SPARSE = ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")
_LAYOUTS = {"torch.strided": strided} | {f"torch.{name}": layout(name) for name in _SPARSE}
_REBUILDERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild.rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild.rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild.rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _rebuild.rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild.rebuild_parameter_with_state,
    "torch._utils._rebuild_meta_tensor_no_storage": _rebuild.rebuild_meta_tensor_no_storage,
    "torch._utils._rebuild_device_tensor_from_numpy": _rebuild.rebuild_device_tensor,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _rebuild.rebuild_device_tensor,
    "torch._utils._rebuild_xla_tensor": _rebuild.rebuild_device_tensor,
    "torch._utils._rebuild_qtensor": _unsupported("a quantized tensor"),
    "torch._utils._rebuild_sparse_tensor": _unsupported("a sparse tensor"),
    "torch._utils._rebuild_nested_tensor": _unsupported("a nested tensor"),
    "torch._utils._rebuild_wrapper_subclass": _unsupported("a wrapper tensor subclass"),
}
_REBUILD_IDS = {id(function) for function in _REBUILDERS.values()}

GLOBALS: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "builtins.set": set,
    "builtins.bytes": bytes,
    "builtins.bytearray": bytearray,
    "builtins.complex": complex,
    "_codecs.encode": _codecs.encode,
    "torch.Size": Size,
    "torch.Tensor": Tensor,
    "torch.device": _device.device,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.serialization._get_layout": _get_layout,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type_v2,
    **TYPE_GLOBALS,
    **_REBUILDERS,
}


def _parameter(data: Any, requires_grad: Any = True, *rest: Any) -> Any:
    return _rebuild.rebuild_parameter(data, requires_grad, None)


def _ordered_dict(items: Any = ()) -> OrderedDict:
    pairs = items.items() if type(items) in (dict, OrderedDict) else _pairs(items)
    return OrderedDict(pairs)


def _pairs(items: Any) -> list[tuple]:
    if type(items) not in (list, tuple):
        raise UnpicklingError(f"an OrderedDict must be made of pairs, but got {type(items)}")
    pairs = [(key, value) for key, value in items]
    for key, _ in pairs:
        check_hashable(key)
    return pairs


def _counter(items: Any = None) -> Counter:
    if items is not None and type(items) not in (dict, Counter):
        raise UnpicklingError(f"a Counter must be made of a dict, but got {type(items)}")
    return Counter(items)


def _set(items: Any = ()) -> set:
    if type(items) not in (list, tuple, set):
        raise UnpicklingError(f"a set must be made of a list, but got {type(items)}")
    for item in items:
        check_hashable(item)
    return set(items)


def _bytes_of(data: Any, encoding: Any = "latin1") -> bytes:
    """What pickle writes for `bytes` in protocols before 3; any other codec is refused."""
    if type(data) is not str or type(encoding) is not str or encoding not in _LATIN1:
        raise UnpicklingError("_codecs.encode is allowed for latin1 text only")
    return data.encode("latin1")


def _bytearray(data: Any = b"", encoding: Any = "latin1") -> bytearray:
    return bytearray(data if type(data) is bytes else _bytes_of(data, encoding))


def _complex(real: Any, imag: Any = 0.0) -> complex:
    if type(real) not in (int, float) or type(imag) not in (int, float):
        raise UnpicklingError("a complex number must be made of two numbers")
    return complex(real, imag)


def _size(numbers: Any = ()) -> Size:
    if type(numbers) not in (tuple, list) or any(type(n) is not int for n in numbers):
        raise UnpicklingError("a torch.Size must be made of ints")
    return Size(numbers)


def _make_device(kind: Any, index: Any = None) -> _device.device:
    if type(kind) is not str or type(index) not in (int, type(None)):
        raise UnpicklingError("a torch.device must be made of a str and an int")
    return _device.device(kind, index)


_LATIN1 = ("latin1", "latin-1")

# id of a global -> the function that is called in its place.
_CALLED_AS_THEY_ARE = (
    *_REBUILDERS,
    "torch._tensor._rebuild_from_type_v2",
    "torch.serialization._get_layout",
)
CALLS: dict[int, Callable[..., Any]] = {
    id(OrderedDict): _ordered_dict,
    id(Counter): _counter,
    id(set): _set,
    id(bytes): lambda: b"",  # how pickle writes an empty one in protocol 2
    id(bytearray): _bytearray,
    id(complex): _complex,
    id(_codecs.encode): _bytes_of,
    id(Size): _size,
    id(_device.device): _make_device,
    id(Parameter): _parameter,
    **{id(GLOBALS[name]): GLOBALS[name] for name in _CALLED_AS_THEY_ARE},
}


# -- what the user allows ------------------------------------------------------------------------

_user: set[Any] = set()
_lock = threading.Lock()


def add_safe_globals(safe_globals: list) -> None:
    """Allows more globals under `weights_only=True`.

    Args:
        safe_globals: functions or classes, or pairs of one and the full name that files have for
            it. A class of torchcompat is allowed under torch's name for it too.
    """
    with _lock:
        _user.update(safe_globals)


def get_safe_globals() -> list:
    """The globals that were allowed with `add_safe_globals`."""
    return list(_user)


def clear_safe_globals() -> None:
    """Takes back everything that `add_safe_globals` allowed."""
    with _lock:
        _user.clear()


class safe_globals:
    """Allows more globals inside a `with` block; see `add_safe_globals`."""

    def __init__(self, safe_globals: list) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exc: object) -> None:
        with _lock:
            _user.difference_update(self.safe_globals)


def user_globals() -> dict[str, Any]:
    """What the user allows, by the full names that files have for it.

    Raises:
        ValueError: an allowed tuple is no pair.
        TypeError: the second item of an allowed pair is no str.
    """
    found: dict[str, Any] = {}
    for entry in _user:
        if not isinstance(entry, tuple):
            name = f"{entry.__module__}.{entry.__qualname__}"
            found[name] = entry
            if name.startswith("torchcompat."):
                found[name.replace("torchcompat", "torch", 1)] = entry
            continue
        if len(entry) != 2:
            raise ValueError(
                "Expected tuple of length 2 (global, str of callable full path), "
                f"but got tuple of length: {len(entry)}"
            )
        if type(entry[1]) is not str:
            raise TypeError(
                "Expected second item in tuple to be str of callable full path, "
                f"but got: {type(entry[1])}"
            )
        found[entry[1]] = entry[0]
    return found


def is_allowed(value: Any, user: dict[str, Any] | None = None) -> bool:
    """Whether `value` is a class or function that the user allows, or a tensor class of ours."""
    if value is Tensor or value is Parameter:
        return True
    allowed = user_globals() if user is None else user
    return any(value is one for one in allowed.values())
