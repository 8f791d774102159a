"""Views: same elements, another shape. Each row names the layout rule that makes it an alias."""

from __future__ import annotations

from torchcompat._ops._common import wrap_dim
from torchcompat._ops._registry import Array, op
from torchcompat import _layout


def _transposed(layout, dim0, dim1):
    dims = list(range(len(layout[0])))
    i, j = wrap_dim(dim0, len(dims)), wrap_dim(dim1, len(dims))
    dims[i], dims[j] = j, i
    return _layout.permuted(layout, tuple(dims))


@op("torch", "method", "inplace", view=_transposed)
def transpose(input: Array, dim0: int, dim1: int) -> Array:
    """The same elements with two dimensions exchanged."""
    return input.swapaxes(wrap_dim(dim0, input.ndim), wrap_dim(dim1, input.ndim))
