"""Twins of the views: `expand_copy`, `t_copy` ... make the same tensor with a storage of its own.

torch keeps a flag for conjugated and for negated tensors; ours are computed at once, so what resolves
such a flag returns its argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._faces import into
from torchcompat._tensor._tensor import Tensor

_VIEWS: dict[str, Callable] = {
    "alias": lambda x: x,
    "as_strided": lambda x, size, stride, storage_offset=None: x.as_strided(
        size, stride, storage_offset
    ),
    "detach": lambda x: x.detach(),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: x.diagonal(offset, dim1, dim2),
    "expand": lambda x, size, *, implicit=False: x.expand(size),
    "permute": lambda x, dims: x.permute(dims),
    "select": lambda x, dim, index: x.select(dim, index),
    "slice": lambda x, dim=0, start=None, end=None, step=1: sliced(x, dim, start, end, step),
    "split": lambda x, split_size, dim=0: x.split(split_size, dim),
    "split_with_sizes": lambda x, split_sizes, dim=0: x.split_with_sizes(split_sizes, dim),
    "squeeze": lambda x, *dim, **named: x.squeeze(*dim, **named),
    "t": lambda x: x.t(),
    "transpose": lambda x, dim0, dim1: x.transpose(dim0, dim1),
    "unbind": lambda x, dim=0: x.unbind(dim),
    "unfold": lambda x, dimension, size, step: x.unfold(dimension, size, step),
    "unsqueeze": lambda x, dim: x.unsqueeze(dim),
    "view": lambda x, size=None, dtype=None: x.view(dtype if size is None else size),
    "view_as_complex": lambda x: ops.view_as_complex(x),
    "view_as_real": lambda x: ops.view_as_real(x),
}
__all__ = [f"{name}_copy" for name in _VIEWS]


def sliced(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """`input[start:end:step]` along `dim`, as a view.

    Raises:
        IndexError: the tensor has no dimensions.
        RuntimeError: the step is not positive.
    """
    if not input.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    index = [slice(None)] * input.ndim
    index[dim] = slice(start, end, step)
    return input[tuple(index)]


def _twin(name: str, view: Callable) -> Callable:
    def function(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        found = view(input, *args, **kwargs)
        several = isinstance(found, (tuple, list))
        copies = tuple(map(ops.clone, found)) if several else ops.clone(found)
        return copies if out is None else into(out, copies)

    function.__name__ = function.__qualname__ = f"{name}_copy"
    function.__doc__ = f"A copy of what `{name}` returns."
    function.__module__ = "torchcompat"
    return lifted(function)


for _name, _view in _VIEWS.items():
    globals()[f"{_name}_copy"] = _twin(_name, _view)
