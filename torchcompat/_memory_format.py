"""torch's memory formats and layouts: names for the order in which dimensions lie in memory."""

from __future__ import annotations

from torchcompat._layout import Layout, contiguous_strides, is_contiguous


class memory_format:
    """The order in which a tensor's dimensions lie in memory. Compare with `is`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    def __copy__(self) -> memory_format:
        return self

    def __deepcopy__(self, memo: dict) -> memory_format:
        return self


class layout(memory_format):
    """How a tensor keeps its elements: `strided` here; the sparse layouts are names alone."""


class qscheme(memory_format):
    """How quantized values stand for real ones: a name, as there are no quantized tensors here."""


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")
sparse_coo, sparse_csr = layout("sparse_coo"), layout("sparse_csr")
sparse_csc, sparse_bsr = layout("sparse_csc"), layout("sparse_bsr")
sparse_bsc, jagged = layout("sparse_bsc"), layout("jagged")
_mkldnn = layout("_mkldnn")
per_tensor_affine = qscheme("per_tensor_affine")
per_channel_affine = qscheme("per_channel_affine")
per_tensor_symmetric = qscheme("per_tensor_symmetric")
per_channel_symmetric = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams = qscheme("per_channel_affine_float_qparams")

# The dimensions in memory, the outermost first.
_ORDERS = {channels_last: (0, 2, 3, 1), channels_last_3d: (0, 2, 3, 4, 1)}


def strides_for(wanted: memory_format, held: Layout) -> tuple[int, ...]:
    """The strides of a fresh tensor in a format, made from one that lies as `held`.

    Raises:
        RuntimeError: the format is for tensors of another rank.
    """
    size, stride, _ = held
    dims = range(len(size))
    if wanted is contiguous_format:
        return contiguous_strides(size)
    if wanted is preserve_format:
        if is_dense(held):
            return stride
        if any(s == 0 and n > 1 for n, s in zip(size, stride)):
            return contiguous_strides(size)
        return strides_in(tuple(sorted(dims, key=lambda d: -stride[d])), size)
    order = _ORDERS[wanted]
    if len(order) != len(size):
        raise RuntimeError(f"required rank {len(order)} tensor to use {wanted.name} format")
    return strides_in(order, size)


def is_dense(held: Layout) -> bool:
    """Whether the elements fill a range of memory, in whatever order, each in its own place."""
    size, stride, _ = held
    if 0 in size:
        return True
    packed = 1
    for s, n in sorted((s, n) for n, s in zip(size, stride) if n > 1):
        if s != packed:
            return False
        packed *= n
    return True


def strides_in(order: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """Dense strides for `size` with the dimensions in memory order `order`, the outermost first."""
    packed = dict(zip(order, contiguous_strides(tuple(size[d] for d in order))))
    return tuple(packed[d] for d in range(len(size)))


def lies_in(wanted: memory_format, held: Layout) -> bool:
    """Whether a layout is dense in the order of a format."""
    size, stride, _ = held
    order = _ORDERS.get(wanted)
    if order is None:
        return is_contiguous(held)
    if len(order) != len(size):
        return False
    return all(n == 1 or s == want for n, s, want in zip(size, stride, strides_in(order, size)))


def channels_order(held: Layout) -> tuple[int, ...] | None:
    """The memory order of images or volumes whose channels are the innermost dimension, else None.

    Where sizes of 1 leave it open, torch takes them to be in order.
    """
    size, stride, _ = held
    order = next((one for one in _ORDERS.values() if len(one) == len(size)), None)
    if order is None or 0 in size or stride[1] == 0:
        return None
    least = 0
    for dim in reversed(order):
        if stride[dim] < least or dim == 0 and least == stride[1]:
            return None
        least = stride[dim] * size[dim]
    return order
