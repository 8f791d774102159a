"""`x[...]` and `x[...] = y` in all of torch's forms."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype, _layout, _strided
from torchcompat._ops import indexing as _ops_indexing
from torchcompat._ops._checks import known, values_of
from torchcompat._ops._registry import ROWS
from torchcompat._ops.writing import check_number
from torchcompat._tensor import _faces, ops
from torchcompat._tensor._dispatch import ARRAYS, call, method, to_tensor, viewed
from torchcompat._tensor._index import MASKS, SELECT, Steps, bounded, covers, parse, type_name
from torchcompat._tensor._place import put
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, check_writable, wrap

__all__ = ["index_put", "index_put_"]

_ALIAS, _INDEX, _PUT = (ROWS[name] for name in ("alias", "index", "index_put_at"))


# -- views ----------------------------------------------------------------------------------------


def _apply(self: Tensor, steps: Steps) -> Tensor:
    """The view that the steps make of `self`; recorded step by step where gradients are."""
    traced = any(row is SELECT and isinstance(args[1], Tensor) for row, args in steps)
    recorded = state.grad_enabled and self.requires_grad
    if traced or recorded or state.forward is not None:
        result = self
        for row, args in steps:
            result = call(row, (result, *args))
        return result
    return viewed(self, _laid_out(self, steps))


def _laid_out(self: Tensor, steps: Steps) -> _layout.Layout:
    layout = self._layout_now()
    for row, args in steps:
        layout = row.view(layout, *args)  # type: ignore[misc]
    return layout


# -- masks and index tensors ----------------------------------------------------------------------


def _check_mask(mask: Tensor, shape: tuple[int, ...], dim: int) -> None:
    for j, n in enumerate(mask.shape):
        if dim + j >= len(shape) or shape[dim + j] != n:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {j} does not match the shape "
                f"of "
                f"the indexed tensor {list(shape)} at index {dim + j}"
            )


def _positions(mask: Tensor) -> list[Tensor]:
    """The coordinates of a mask's true elements, one index tensor a dimension.

    Raises:
        UnknownValueError: the mask is traced, so how many there are is not known.
    """
    if mask.dtype is _dtype.uint8:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
            "instead.",
            stacklevel=5,
        )
    host = values_of("x[mask] (torch.where and masked_fill have fixed sizes)", mask._read())
    return [wrap(axis) for axis in np.nonzero(host)]


def _indices(view: Tensor, advanced: dict[int, Tensor]) -> list[Tensor | None]:
    """For each dimension of the view, the integer tensor that indexes it, or None."""
    found: list[Tensor | None] = [None] * view.ndim
    for dim, item in advanced.items():
        if item.dtype not in MASKS:
            found[dim] = item
            continue
        _check_mask(item, tuple(view.shape), dim)
        found[dim : dim + item.ndim] = _positions(item)
    while found and found[-1] is None:
        found.pop()
    return found


# -- x[index] -------------------------------------------------------------------------------------


def _getitem(self: Tensor, index: Any) -> Tensor:
    if type(index) is int:
        return call(SELECT, (self, 0, _first(self, index)))
    steps, advanced = parse(self, index)
    if advanced:
        view = _apply(self, steps) if steps else self
        return call(_INDEX, (view, _indices(view, advanced)))
    return _apply(self, steps) if steps else call(_ALIAS, (self,))


def _first(self: Tensor, index: int) -> int:
    if not self.ndim:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` "
            "in C++ to convert a 0-dim tensor to a number"
        )
    return bounded(index, self.shape[0], 0)


# -- x[index] = value -----------------------------------------------------------------------------


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    if isinstance(value, jax.Array):
        value = to_tensor(value)
    elif not isinstance(value, (Tensor, bool, int, float, complex)):
        raise TypeError(
            f"can't assign a {type_name(value)} to a torch.{_dtype.scalar_name(self.dtype)}Tensor"
        )
    check_number(value, self.dtype)
    steps, advanced = parse(self, index)
    if advanced:
        _faces.check_inplace(self)
        _put_advanced(self, steps, advanced, value)
    else:
        _check_leaf(self)
        _put_view(self, steps, value)


def _check_leaf(self: Tensor) -> None:
    if self._cell.inference or self._is_view_of is not None:
        _faces.check_inplace(self)
    if state.grad_enabled and self.requires_grad and self.grad_fn is None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def _put_view(self: Tensor, steps: Steps, value: Any) -> None:
    if any(row is SELECT and isinstance(args[1], Tensor) for row, args in steps):
        raise NotImplementedError("x[i] = y with a traced index i; use x.index_copy_ or index_put_")
    layout = _laid_out(self, steps)
    check_writable(layout)
    if isinstance(value, Tensor):
        value = _aligned(value, layout[0], self.dtype)
        if value._cell is self._cell and value._layout_now() == layout:
            self._cell.version += 1
            return
        recorded = state.grad_enabled and (value.requires_grad or self.requires_grad)
        if recorded or state.forward is not None:
            _faces.write(_apply(self, steps or [(_ALIAS, ())]), value)
            return
    elif (state.grad_enabled and self.requires_grad) or state.forward is not None:
        number = put(np.asarray(value).astype(self.dtype.numpy))
        _faces.write(_apply(self, steps or [(_ALIAS, ())]), number)
        return
    _store(self, layout, value._read() if isinstance(value, Tensor) else value)


def _store(self: Tensor, layout: _layout.Layout, value: Any) -> None:
    """Writes an array or number to part of the storage, with no record of it."""
    if state.capture is not None:
        state.capture.met(self)
    cell = self._cell
    if isinstance(cell.value, jax.ShapeDtypeStruct):
        return
    self._count_unseen()
    with jax.enable_x64(True):
        cell.write(_strided.write(cell.value, value, layout))


def _aligned(value: Tensor, size: tuple[int, ...], kind: _dtype.dtype) -> Tensor:
    """A value of the right type without its leading ones, checked to fit."""
    if tuple(value.shape) != size:
        value = _without_leading_ones(value)
        value.expand(size)
    return value if value.dtype is kind else value.to(kind)


def _without_leading_ones(value: Tensor) -> Tensor:
    size = tuple(value.shape)
    first = next((d for d, n in enumerate(size) if n != 1), len(size))
    return value.reshape(size[first:]) if first else value


def _put_advanced(self: Tensor, steps: Steps, advanced: dict[int, Tensor], value: Any) -> None:
    view = _apply(self, steps) if steps else self
    if isinstance(value, Tensor):
        value = _without_leading_ones(value)
    if len(advanced) == 1:
        ((dim, mask),) = advanced.items()
        if mask.dtype is _dtype.bool_ and _is_uniform(value, view.ndim - mask.ndim + 1, dim):
            _check_mask(mask, tuple(view.shape), dim)
            _check_uniform(view, mask, dim, value)
            _faces.write(view, ops.masked_put(view, mask, value, dim))
            return
    found = _indices(view, advanced)
    if not isinstance(value, Tensor):
        value = put(np.asarray(value).astype(self.dtype.numpy))
    _faces.write(view, call(_PUT, (view, found, value, False)))


def _is_uniform(value: Any, rank: int, dim: int) -> bool:
    """Whether a value is the same for every element that a mask at `dim` picks."""
    if not isinstance(value, Tensor):
        return True
    axis = dim - rank + value.ndim
    return axis < 0 or value.shape[axis] == 1


def _check_uniform(view: Tensor, mask: Tensor, dim: int, value: Any) -> None:
    if not isinstance(value, Tensor):
        return
    shape = tuple(view.shape)
    host = known(mask._read())
    count = 1 if host is None else int(host.sum())
    want = (*shape[:dim], count, *shape[dim + mask.ndim :])
    _ops_indexing.check_fits(tuple(value.shape), want)
    if value.dtype is not view.dtype and value.ndim:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{_dtype.scalar_name(view.dtype)} for the destination and "
            f"{_dtype.scalar_name(value.dtype)} for the source."
        )


def _delitem(self: Tensor, index: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


Tensor.__delitem__ = _delitem
Tensor.__getitem__ = _getitem
Tensor.__setitem__ = _setitem


# -- index_put ------------------------------------------------------------------------------------


def _put_arguments(input: Tensor, indices: Any, name: str) -> list[Tensor | None]:
    if isinstance(indices, (Tensor, *ARRAYS)):
        raise TypeError(
            f"{name}(): argument 'indices' (position 1) must be tuple of Tensors, not Tensor"
        )
    for i, one in enumerate(indices):
        if not isinstance(one, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(one).__name__}"
            )
    advanced, dim = {}, 0
    for one in indices:
        advanced[dim] = one
        dim += max(covers(one), 1)
    if dim > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim} (got {dim})")
    return _indices(input, advanced)


@method
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with `values` in the elements that index tensors and masks name.

    Args:
        accumulate: add to them instead.
    """
    found = _put_arguments(input, indices, "index_put")
    return call(_PUT, (input, found, values, accumulate))


@method
def index_put_(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place version of `index_put`."""
    _faces.check_inplace(input)
    found = _put_arguments(input, indices, "index_put_")
    return _faces.write(input, call(_PUT, (input, found, values, accumulate)))
