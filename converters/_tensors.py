"""Tensors between torch and torchcompat, bit for bit, with shared storages kept shared.

Neither function imports torch for what it is handed: a torch object brings its library along.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import jax
import numpy as np

import torchcompat
from torchcompat import nn
from torchcompat._dtype import BY_NAME, dtype
from torchcompat._tensor import Cell, Tensor, from_cell

_UNINITIALIZED = ("UninitializedParameter", "UninitializedBuffer")


def torch_of(x: Any) -> Any:
    """The torch library that the torch object `x` comes from."""
    return sys.modules[type(x).__module__.partition(".")[0]]


def is_torch_tensor(x: Any) -> bool:
    return _defined_in_torch(x) and isinstance(x, torch_of(x).Tensor)


def _defined_in_torch(x: Any) -> bool:
    return any(
        kind.__module__ == "torch" and kind.__name__ == "Tensor" for kind in type(x).__mro__[:-1]
    )


def tensor_from_torch(x: Any, memo: dict) -> Tensor:
    """A torchcompat tensor with the bits of the torch tensor `x`.

    Args:
        memo: what has been converted already; tensors that share a storage go on sharing it.

    Raises:
        NotImplementedError: JAX has no such layout or dtype (sparse, quantised, complex32).
    """
    kind = BY_NAME.get(str(x.dtype).partition(".")[2])
    if type(x).__name__ in _UNINITIALIZED:
        return _uninitialized(x, nn.parameter, kind)
    if kind is None or str(x.layout) != "torch.strided":
        raise NotImplementedError(f"from_torch: no tensors of dtype {x.dtype}, layout {x.layout}")
    if x.device.type == "meta":
        tensor = torchcompat.empty(tuple(x.shape), dtype=kind, device="meta")
    else:
        cell = _cell_of(x, kind, memo)
        tensor = from_cell(cell, tuple(x.shape), tuple(x.stride()), x.storage_offset())
    if type(x).__name__ == "Parameter" or getattr(x, "_is_param", False):
        return nn.Parameter(tensor, requires_grad=x.requires_grad)
    tensor._requires_grad = bool(x.requires_grad)
    return tensor


def _uninitialized(x: Any, library: Any, kind: Any) -> Any:
    """A parameter or buffer of a lazy layer, in the other library."""
    return getattr(library, type(x).__name__)(requires_grad=x.requires_grad, dtype=kind)


def _cell_of(x: Any, kind: dtype, memo: dict) -> Cell:
    """The storage under `x`: one cell for all tensors of one storage and dtype."""
    storage = x.untyped_storage()
    key = ("storage", storage.data_ptr(), storage.nbytes(), kind)
    found = memo.get(key)
    if found is not None and storage.nbytes():
        return found[0]
    raw = x.detach().cpu().untyped_storage()
    torch = torch_of(x)
    data = (
        torch.empty(0, dtype=torch.uint8).set_(raw).numpy()
        if raw.nbytes()
        else np.empty(0, np.uint8)
    )
    usable = len(data) // kind.itemsize * kind.itemsize
    values = data[:usable].copy().view(kind.numpy)
    if x.is_contiguous() and x.storage_offset() == 0 and values.size == x.numel():
        values = values.reshape(tuple(x.shape))
    with jax.enable_x64(True):
        cell = Cell(jax.numpy.asarray(values))
    memo[key] = cell, x
    return cell


def tensor_to_torch(x: Tensor, memo: dict) -> Any:
    """A torch tensor with the bits of `x`; torch must be installed."""
    torch = importlib.import_module("torch")
    kind = getattr(torch, x.dtype.name)
    if type(x).__name__ in _UNINITIALIZED:
        return _uninitialized(x, torch.nn.parameter, kind)
    if x.device.type == "meta" or not x._cell.value.size:
        tensor = torch.empty(tuple(x.shape), dtype=kind, device=x.device.type)
    else:
        key = ("cell", id(x._cell))
        if key not in memo:
            data = np.array(x._cell.value).reshape(-1).view(np.uint8)
            memo[key] = torch.from_numpy(data).view(kind), x._cell
        tensor = memo[key][0].as_strided(tuple(x.shape), x.stride(), x.storage_offset())
    if isinstance(x, nn.Parameter):
        return torch.nn.Parameter(tensor, requires_grad=x.requires_grad)
    return tensor.requires_grad_(x.requires_grad)
