"""Views of all elements under another shape or order of dimensions. Each op is its layout rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torchcompat import _layout
from torchcompat._layout import Layout
from torchcompat._ops._common import wrap_dim, wrap_dims
from torchcompat._ops._registry import view as view_op


def inferred(size: Sequence[int], numel: int) -> tuple[int, ...]:
    """`size` with its -1, if any, replaced by what `numel` elements leave for it.

    Raises:
        RuntimeError: no such size holds `numel` elements.
    """
    size = tuple(size)
    for i, n in enumerate(size):
        if n < -1:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(size)}")
    if size.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    known = math.prod(n for n in size if n != -1)
    if -1 not in size:
        fits = known == numel
    elif known == 0:
        raise _ambiguous(size) if numel == 0 else _misfit(size, numel)
    else:
        fits = numel % known == 0
    if not fits:
        raise _misfit(size, numel)
    return tuple(numel // known if n == -1 else n for n in size)


def _misfit(size: tuple[int, ...], numel: int) -> RuntimeError:
    return RuntimeError(f"shape '{list(size)}' is invalid for input of size {numel}")


def _ambiguous(size: tuple[int, ...]) -> RuntimeError:
    return RuntimeError(
        f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified "
        "dimension size -1 can be any value and is ambiguous"
    )


@view_op("torch", "method", varargs="size")
def view(input: Layout, size: tuple[int, ...]) -> Layout:
    """The same elements under another size, which must be compatible with the strides.

    Raises:
        RuntimeError: the size does not fit, or only a copy could have it (use `reshape`).
    """
    size = inferred(size, math.prod(input[0]))
    found = _layout.reshaped(input, size)
    if found is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension"
            " spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return found


@view_op()
def unsafe_view(input: Layout, size: tuple[int, ...]) -> Layout:
    """`view` of a fresh copy; `reshape` makes it where no view exists."""
    return view(input, size)


@view_op("torch", "method", varargs="dims")
def permute(input: Layout, dims: tuple[int, ...]) -> Layout:
    """The same elements with the dimensions in another order."""
    ndim = len(input[0])
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal "
            f"to len(dims) = {len(dims)}"
        )
    order = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(order)) < ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _layout.permuted(input, order)


@view_op("torch", "method", "inplace", aliases=("swapaxes", "swapdims"))
def transpose(input: Layout, dim0: int, dim1: int) -> Layout:
    """The same elements with two dimensions exchanged."""
    dims = list(range(len(input[0])))
    i, j = wrap_dim(dim0, len(dims)), wrap_dim(dim1, len(dims))
    if dims:
        dims[i], dims[j] = j, i
    return _layout.permuted(input, tuple(dims))


@view_op("torch", "method", "inplace", grad="TBackward0")
def t(input: Layout) -> Layout:
    """The transpose of a matrix; vectors and scalars stay as they are."""
    ndim = len(input[0])
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return transpose(input, 0, ndim - 1)


@view_op("torch", "method", aliases=("moveaxis",), grad="PermuteBackward0")
def movedim(
    input: Layout, source: int | tuple[int, ...], destination: int | tuple[int, ...]
) -> Layout:
    """The same elements with the dimensions `source` moved to the places `destination`."""
    ndim = len(input[0])
    source, destination = (
        (dims,) if isinstance(dims, int) else tuple(dims) for dims in (source, destination)
    )
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should "
            f"contain the same number of dims as destination ({list(destination)} dims)"
        )
    given = source, destination
    source, destination = (tuple(wrap_dim(d, ndim) for d in dims) for dims in given)
    for title, dims, shown in zip(("source", "destination"), (source, destination), given):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{title}` ({list(shown)})")
    rest = iter(d for d in range(ndim) if d not in source)
    placed = dict(zip(destination, source))
    return _layout.permuted(
        input, tuple(placed[d] if d in placed else next(rest) for d in range(ndim))
    )


@view_op("torch", "method", "inplace")
def unsqueeze(input: Layout, dim: int) -> Layout:
    """With a dimension of size 1 inserted at `dim`."""
    return _layout.inserted(input, wrap_dim(dim, len(input[0]) + 1))


def _squeezed(input: Layout, dims: tuple[int, ...]) -> Layout:
    return _layout.dropped(input, tuple(d for d in dims if d < len(input[0]) and input[0][d] == 1))


@view_op(grad="SqueezeBackward0")
def squeeze_all(input: Layout) -> Layout:
    """Without its dimensions of size 1."""
    return _squeezed(input, tuple(range(len(input[0]))))


@view_op(grad="SqueezeBackward1")
def squeeze_dim(input: Layout, dim: int) -> Layout:
    """Without dimension `dim`, if its size is 1."""
    return _squeezed(input, (wrap_dim(dim, len(input[0])),))


@view_op(grad="SqueezeBackward2")
def squeeze_dims(input: Layout, dim: tuple[int, ...]) -> Layout:
    """Without those of the dimensions `dim` whose size is 1."""
    return _squeezed(input, wrap_dims(dim, len(input[0])) if dim else ())


@view_op()
def expand(input: Layout, size: tuple[int, ...]) -> Layout:
    """Broadcast to `size` without a copy; -1 keeps a dimension's size."""
    old, lead, full = input[0], len(size) - len(input[0]), list(size)
    for i in reversed(range(len(size))):
        if i < lead and size[i] < 0:
            raise RuntimeError(
                f"The expanded size of the tensor ({size[i]}) isn't allowed in a leading, "
                f"non-existing dimension {i}"
            )
        have = 1 if i < lead else old[i - lead]
        full[i] = have if size[i] == -1 else size[i]
        if have not in (1, full[i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({size[i]}) must match the existing size "
                f"({have}) at non-singleton dimension {i}.  Target sizes: {list(size)}.  "
                f"Tensor sizes: {list(old)}"
            )
    return _layout.expanded(input, tuple(full))


@view_op()
def alias(input: Layout) -> Layout:
    """The tensor itself as a view."""
    return input
