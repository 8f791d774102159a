"""Settings of the process: threads, warnings, default types; and names of types."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from typing import Any

from torchcompat import _device, _dtype
from torchcompat._tensor import Tensor
from torchcompat._tensor._factory import _TypedMeta

__all__ = [
    "compiled_with_cxx11_abi",
    "get_device_module",
    "get_num_interop_threads",
    "get_num_threads",
    "is_warn_always_enabled",
    "set_default_tensor_type",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_num_threads",
    "set_warn_always",
    "typename",
]

_threads: dict[str, int] = {}
_warn_always = [False]


@functools.cache
def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def get_num_threads() -> int:
    """How many threads work on one operation, as set, or one for each core."""
    return _threads.get("intra", _cores())


def set_num_threads(int: int, /) -> None:
    """Sets what `get_num_threads` answers. XLA's pool is as large as the processor allows.

    Raises:
        RuntimeError: it is not positive.
    """
    if int <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _threads["intra"] = int


def get_num_interop_threads() -> int:
    """How many operations run at once, as set, or one for each core."""
    return _threads.get("inter", _cores())


def set_num_interop_threads(int: int, /) -> None:
    """Sets what `get_num_interop_threads` answers.

    Raises:
        RuntimeError: it is not positive.
    """
    if int <= 0:
        raise RuntimeError("Expected nthreads > 0 to be true, but got false.")
    _threads["inter"] = int


def set_flush_denormal(mode: bool) -> bool:
    """False: XLA decides about denormal numbers, and nothing was changed."""
    return False


def set_warn_always(b: bool, /) -> None:
    """Whether warnings that are given once are given always; Python's filters decide that here."""
    _warn_always[0] = bool(b)


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` set."""
    return _warn_always[0]


def compiled_with_cxx11_abi() -> bool:
    """True, as of every torch of this version; nothing is compiled here."""
    return True


def get_device_module(device: Any = None) -> Any:
    """The module of a device's type: `torch.cuda` for "cuda"; by default the accelerator's.

    Raises:
        RuntimeError: there is no such module.
    """
    if device is None:
        kind = _device.default_accelerator()
    else:
        kind = _device.device(device).type
    try:
        return importlib.import_module(f"torchcompat.{kind}")
    except ModuleNotFoundError:
        raise RuntimeError(
            f"Invalid device module '{kind}'. Please make sure the device is supported."
        ) from None


def typename(obj: Any, /) -> str:
    """The name of an object's type, or of a type, as torch prints it.

    Example:
        >>> torch.typename(torch.ones(1))
        'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module, name = getattr(named, "__module__", None) or "", named.__qualname__
    if isinstance(obj, _dtype.dtype):
        return "torch.dtype"
    if module in ("", "builtins"):
        return name
    root, dot, rest = module.partition(".")
    return f"{'torch' if root == 'torchcompat' else root}{dot}{rest}.{name}"


def set_default_tensor_type(t: Any, /) -> None:
    """Sets the default dtype by the name of a type: "torch.DoubleTensor".

    Raises:
        TypeError: there is no such type, or it holds no floating-point numbers.
    """
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
        stacklevel=2,
    )
    name = t if isinstance(t, str) else typename(t)
    module, _, title = name.rpartition(".")
    found = t if isinstance(t, _TypedMeta) else _by_name(module, title)
    if found is None:
        raise TypeError(f"invalid type object: {name}")
    if not found.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _dtype.set_default_dtype(found.dtype)
    _device.set_default_device("cuda" if module.endswith("cuda") else None)


def _by_name(module: str, title: str) -> Any:
    if module not in ("torch", "torch.cuda"):
        return None
    return getattr(importlib.import_module(f"torchcompat{module[5:]}"), title, None)
