"""Maximum pooling with or without its indices, and adaptive pooling to sizes that may be None."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._tensor import Tensor

Sizes = int | Sequence[int]


def _max_pool(n: int) -> tuple[Callable, Callable]:
    """`max_pool{n}d` and `max_pool{n}d_with_indices`."""
    plain = getattr(ops, f"max_pool{n}d")
    indexed = getattr(ops, f"max_pool{n}d_with_indices")

    def max_pool(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """The maximum of each window; with `return_indices`, also where in its plane it is."""
        if return_indices:
            return with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
        return plain(input, kernel_size, stride, padding, dilation, ceil_mode)

    def with_indices(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """The maximum of each window and where in its flattened plane it is."""
        return tuple(indexed(input, kernel_size, stride, padding, dilation, ceil_mode))

    return _named(max_pool, f"max_pool{n}d"), _named(with_indices, f"max_pool{n}d_with_indices")


def _adaptive_max_pool(n: int) -> tuple[Callable, Callable]:
    """`adaptive_max_pool{n}d` and `adaptive_max_pool{n}d_with_indices`."""
    row = getattr(ops, f"adaptive_max_pool{n}d")

    def with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        """The maximum of each of `output_size` even parts, and where in its plane it is."""
        return tuple(row(input, _filled(n, input, output_size)))

    def pool(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        """The maximum of each of `output_size` even parts; None keeps a dimension's size."""
        found = with_indices(input, output_size)
        return found if return_indices else found[0]

    title = f"adaptive_max_pool{n}d"
    return _named(pool, title), _named(with_indices, f"{title}_with_indices")


def _adaptive_avg_pool(n: int) -> Callable:
    row = getattr(ops, f"adaptive_avg_pool{n}d")

    def pool(input: Tensor, output_size: Any) -> Tensor:
        """The mean of each of `output_size` even parts; None keeps a dimension's size."""
        return row(input, _filled(n, input, output_size))

    return _named(pool, f"adaptive_avg_pool{n}d")


def _filled(n: int, input: Tensor, size: Any) -> Any:
    """The output size with the input's own where it says None; torch allows that from 2d on."""
    if n == 1 or isinstance(size, int):
        return size
    if input.ndim <= len(size):
        raise ValueError(f"Input dimension should be at least {len(size) + 1}")
    own = input.shape[-len(size) :]
    return [have if want is None else want for want, have in zip(size, own)]


def _named(function: Callable, name: str) -> Callable:
    function.__name__ = function.__qualname__ = name
    return function


max_pool1d, max_pool1d_with_indices = _max_pool(1)
max_pool2d, max_pool2d_with_indices = _max_pool(2)
max_pool3d, max_pool3d_with_indices = _max_pool(3)
adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _adaptive_max_pool(1)
adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _adaptive_max_pool(2)
adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _adaptive_max_pool(3)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = map(_adaptive_avg_pool, (1, 2, 3))
