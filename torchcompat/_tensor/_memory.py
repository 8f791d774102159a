"""How a tensor lies in memory: `contiguous`, `clone`, memory formats, resizing."""

from __future__ import annotations

import math
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat import _dtype, _layout, _memory_format
from torchcompat._deterministic import uninitialized
from torchcompat._memory_format import contiguous_format, memory_format, preserve_format
from torchcompat._tensor import ops
from torchcompat._tensor._cell import Cell
from torchcompat._tensor._dispatch import method
from torchcompat._tensor._faces import touch
from torchcompat._tensor._orders import arrange
from torchcompat._tensor._state import epoch
from torchcompat._tensor._tensor import Tensor

__all__ = ["clone", "resize_as_", "zero_"]


def _check_format(name: str, wanted: Any) -> None:
    if not isinstance(wanted, memory_format):
        raise TypeError(
            f"{name}(): argument 'memory_format' must be torch.memory_format, "
            f"not {type(wanted).__name__}"
        )


@method
def clone(input: Tensor, *, memory_format: Any = preserve_format) -> Tensor:
    """A copy with its own storage, recorded for gradients.

    Args:
        memory_format: how the copy lies in memory; by default as the original does.
    """
    wanted = preserve_format if memory_format is None else memory_format
    _check_format("clone", wanted)
    return arrange(ops.clone(input), _memory_format.strides_for(wanted, input._layout_now()))


@method
def contiguous(input: Tensor, memory_format: Any = contiguous_format) -> Tensor:
    """The tensor itself if it lies in memory in the given order, else a copy that does."""
    _check_format("contiguous", memory_format)
    held = input._layout_now()
    if memory_format is preserve_format and not _layout.is_contiguous(held):
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if _memory_format.lies_in(memory_format, held):
        return input
    return arrange(ops.clone(input), _memory_format.strides_for(memory_format, held))


@method
def is_contiguous(self: Tensor, memory_format: Any = contiguous_format) -> bool:
    """Whether the elements lie in memory in row-major order (or that of `memory_format`)."""
    _check_format("is_contiguous", memory_format)
    return _memory_format.lies_in(memory_format, self._layout_now())


@method
def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dimensions in memory order, the outermost first."""
    stride = self.stride()
    return tuple(sorted(range(len(stride)), key=lambda d: -stride[d]))


# -- another storage -----------------------------------------------------------------------------


def adopt(target: Tensor, cell: Cell, layout: _layout.Layout) -> Tensor:
    """Makes `target` a tensor over another storage."""
    shape = tuple(cell.value.shape)
    target._cell = cell
    target._layout = None if layout == _layout.contiguous(shape) else layout
    target._cache = target._seen = None
    epoch.advance()
    return target


def grown(cell: Cell, numel: int) -> Cell:
    """A storage of at least `numel` elements that starts with the elements of `cell`."""
    value = cell.value
    if isinstance(value, jax.ShapeDtypeStruct):
        return Cell(jax.ShapeDtypeStruct((numel,), value.dtype))
    with jax.enable_x64(True):
        fresh = uninitialized(_dtype.from_numpy(value.dtype))
        rest = jnp.full(numel - value.size, fresh, value.dtype)
        found = Cell(jnp.concatenate([value.reshape(-1), rest]))
    found.version, found.unseen = cell.version, cell.unseen
    return found


@method
def resize_(self: Tensor, *sizes: Any, memory_format: Any = contiguous_format) -> Tensor:
    """Changes the size in place, keeping the elements in storage order; new ones are zero.

    A storage that has to grow is replaced: other tensors over it keep the old one.
    """
    size = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    size = tuple(map(int, size))
    if any(n < 0 for n in size):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(size)}: {list(size)}"
        )
    if self._requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    if size == tuple(self.shape):
        return self
    offset = self.storage_offset()
    needed = offset + math.prod(size)
    cell = self._cell
    if needed > math.prod(cell.value.shape):
        cell = grown(cell, needed)
    strides = _memory_format.strides_for(memory_format, _layout.contiguous(size))
    adopt(self, cell, (size, strides, offset))
    touch(self)
    return self


@method
def resize_as_(
    self: Tensor, the_template: Tensor, *, memory_format: Any = contiguous_format
) -> Tensor:
    """`resize_` to the size of another tensor."""
    return resize_(self, tuple(the_template.shape), memory_format=memory_format)


zero_ = Tensor.zero_
