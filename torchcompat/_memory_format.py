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
    """How a tensor keeps its elements: `strided`, the only layout there is here."""


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")

# The dimensions in memory, the outermost first.
_ORDERS = {channels_last: (0, 2, 3, 1), channels_last_3d: (0, 2, 3, 4, 1)}


def order_of(wanted: memory_format, held: Layout) -> tuple[int, ...]:
    """The dimensions of a tensor in the memory order that a format asks for, the outermost first.

    Raises:
        RuntimeError: the format is for tensors of another rank.
    """
    size, stride, _ = held
    dims = range(len(size))
    if wanted is contiguous_format:
        return tuple(dims)
    if wanted is preserve_format:
        if any(s == 0 and n > 1 for n, s in zip(size, stride)):
            return tuple(dims)
        return tuple(sorted(dims, key=lambda d: -stride[d]))
    order = _ORDERS[wanted]
    if len(order) != len(size):
        raise RuntimeError(f"required rank {len(order)} tensor to use {wanted.name} format")
    return order


def strides_in(order: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """Dense strides for `size` with the dimensions in memory order `order`."""
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
