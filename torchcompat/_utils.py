"""Private helpers that third parties take from `torch._utils`."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from torchcompat._device import device as Device
from torchcompat._dtype import dtype as Dtype
from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._factory import from_numpy as _from_numpy
from torchcompat.compiler import is_compiling

__all__ = ["ExceptionWrapper", "KeyErrorMessage", "classproperty", "is_compiling"]

_rebuild_device_tensor_from_numpy = _from_numpy


class KeyErrorMessage(str):
    """A text whose `repr` is itself, as the text of a KeyError is printed by `repr`."""

    def __repr__(self) -> str:
        return self


class ExceptionWrapper:
    """An error of a worker, carried to where it can be raised.

    Args:
        exc_info: `sys.exc_info()`; the present one if None.
        where: text that says where it happened.
    """

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        exc_info = sys.exc_info() if exc_info is None else exc_info
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self) -> None:
        """Raises an error of the same type that names the worker."""
        msg = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            msg = KeyErrorMessage(msg)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=msg)
        try:
            error = self.exc_type(msg)
        except Exception:  # its constructor takes something else
            raise RuntimeError(msg) from None
        raise error


class classproperty:
    """A property of the class itself."""

    def __init__(self, func: Any) -> None:
        self.func = func

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self.func(owner)


def _flatten_dense_tensors(tensors: Any) -> Tensor:
    """One vector of all elements."""
    return ops.cat([t.reshape(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Any) -> tuple:
    """Views of a vector in the sizes of `tensors`."""
    found, at = [], 0
    for t in tensors:
        found.append(flat[at : at + t.numel()].view(t.shape))
        at += t.numel()
    return tuple(found)


def _take_tensors(tensors: Any, size_limit: int) -> Any:
    """Groups of tensors of one type, of at most `size_limit` bytes each."""
    groups: dict[str, tuple[list, list[int]]] = {}
    for t in tensors:
        held, size = groups.setdefault(t.type(), ([], [0]))
        count = t.numel() * t.element_size()
        if size[0] + count > size_limit and held:
            yield list(held)
            held.clear()
            size[0] = 0
        held.append(t)
        size[0] += count
    yield from (held for held, _ in groups.values() if held)


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """A device's number; -1 for the CPU where it is allowed.

    Raises:
        ValueError: it has none, or is the CPU.
    """
    if isinstance(device, int):
        return device
    found = Device("cuda") if device is None and optional else Device(device)
    if found.type == "cpu":
        if allow_cpu:
            return -1
        raise ValueError(f"Expected a non cpu device, but got: {device}")
    if found.index is None and not optional:
        raise ValueError(
            f"Expected a torch.device with a specified index or an integer, but got:{device}"
        )
    return found.index or 0


def _element_size(dtype: Dtype) -> int:
    """Bytes of an element.

    Raises:
        RuntimeError: `dtype` is none.
    """
    if not isinstance(dtype, Dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    return dtype.itemsize


def _rebuild_tensor(storage: Any, storage_offset: int, size: Any, stride: Any) -> Tensor:
    """A tensor over a storage."""
    fresh = ops.empty((0,), dtype=storage.dtype, device=storage.device)
    return fresh.set_(storage, storage_offset, size, stride)


def _is_privateuse1_backend_available() -> bool:
    """False: torch's backends of others are not here."""
    return False
