"""What stands between the brackets of `x[...]`, read as torch reads it.

Index tensors made here hold NumPy arrays: they are only ever arguments of an op, and handing them
to JAX that way costs a tenth of putting them on a device first.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._ops._checks import known
from torchcompat._ops._registry import ROWS, Row
from torchcompat._tensor import ops
from torchcompat._tensor._tensor import Tensor, wrap

SELECT, SLICE, UNSQUEEZE = (ROWS[name] for name in ("select", "slice_dim", "unsqueeze"))
MASKS = (_dtype.bool_, _dtype.uint8)
Steps = list[tuple[Row, tuple]]


def _items(index: Any) -> tuple:
    """The index as a tuple of one item a position."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32 and any(map(_is_compound, index)):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be "
            "changed in pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will "
            "be interpreted as tensor index, x[torch.tensor(seq)], which will result either in an "
            "error or a different result",
            stacklevel=4,
        )
        return tuple(index)
    return (index,)


def _is_compound(item: Any) -> bool:
    compound = (Tensor, jax.Array, np.ndarray, list, tuple, slice, range, str)
    return item is None or item is Ellipsis or isinstance(item, compound)


def _converted(item: Any) -> Any:
    """An item as None, Ellipsis, int, slice or Tensor."""
    if item is None or item is Ellipsis or isinstance(item, (slice, Tensor)):
        return item
    if isinstance(item, (bool, np.bool_)):
        return wrap(np.asarray(item))
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, (jax.Array, np.ndarray)):
        return wrap(item)
    if isinstance(item, (list, tuple, range)):
        return _from_sequence(item)
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type_name(item)})"
    )


def type_name(item: Any) -> str:
    kind = type(item)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _from_sequence(item: Any) -> Tensor:
    if any(isinstance(one, Tensor) for one in item) and any(
        isinstance(one._read(), jax.core.Tracer) for one in item if isinstance(one, Tensor)
    ):
        return ops.stack(
            [one if isinstance(one, Tensor) else wrap(np.asarray(one)) for one in item]
        )
    host = np.asarray(list(item))
    if host.dtype.kind not in "biuf":
        raise TypeError(f"new(): invalid data type '{type(item[0]).__name__}'")
    return wrap(host if host.dtype.kind == "b" else host.astype(np.int64))


def covers(item: Any) -> int:
    """How many of the tensor's dimensions an item takes up."""
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, Tensor) and item.dtype in MASKS:
        return item.ndim
    return 1


def parse(self: Tensor, index: Any) -> tuple[Steps, dict[int, Tensor]]:
    """An index as view steps and, for dimensions of the view they give, index tensors and masks."""
    items = [_converted(item) for item in _items(index)]
    taken = sum(map(covers, items))
    if taken > self.ndim:
        raise IndexError(f"too many indices for tensor of dimension {self.ndim}")
    steps: Steps = []
    advanced: dict[int, Tensor] = {}
    # `dim` counts dimensions of the view, `source` those of the tensor; errors name the position.
    dim = source = 0
    for position, item in enumerate(items):
        if item is Ellipsis:
            skipped, taken = self.ndim - taken, self.ndim
            dim, source = dim + skipped, source + skipped
            continue
        if isinstance(item, Tensor) and not item.ndim and item.dtype not in MASKS:
            item = _scalar(item)
        if item is None or isinstance(item, Tensor) and item.dtype in MASKS and not item.ndim:
            steps.append((UNSQUEEZE, (dim,)))
            if item is not None:
                advanced[dim] = _as_vector(item)
            dim += 1
            continue
        covered = covers(item)
        if isinstance(item, slice):
            if len(items) == 1 or not _is_full(item, self.shape[source]):
                steps.append((SLICE, (dim, *_bounds(item))))
        elif isinstance(item, Tensor) and item.ndim:
            _check_index_type(item)
            advanced[dim] = item
        else:
            steps.append((SELECT, (dim, bounded(item, self.shape[source], position))))
            dim -= 1
        dim, source = dim + covered, source + covered
    return steps, advanced


def _as_vector(item: Tensor) -> Tensor:
    host = known(item._read())
    return item.reshape(1) if host is None else wrap(host.reshape(1))


def _check_index_type(item: Tensor) -> None:
    if item.dtype not in MASKS and item.dtype.name not in ("int32", "int64"):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")


def _is_full(item: slice, size: int) -> bool:
    start, stop, step = _bounds(item)
    return step == 1 and not start and (stop is None or stop >= size)


def _scalar(item: Tensor) -> Any:
    """A 0-d integer tensor as a number; while traced, as the tensor."""
    if item.dtype.is_floating_point or item.dtype.is_complex:
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    value = known(item._read())
    return item if value is None else int(value)


def bounded(index: Any, size: int, position: int) -> Any:
    if isinstance(index, int) and not -size <= index < size:
        raise IndexError(
            f"index {index} is out of bounds for dimension {position} with size {size}"
        )
    return index


def _bounds(item: slice) -> tuple[int | None, int | None, int]:
    try:
        start, stop, step = (
            None if one is None else operator.index(one)
            for one in (item.start, item.stop, item.step)
        )
    except jax.errors.ConcretizationTypeError:  # a TypeError too
        raise
    except TypeError:
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method"
        ) from None
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step is not None and step < 0:
        raise ValueError("step must be greater than zero")
    return start, stop, 1 if step is None else step
