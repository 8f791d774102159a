"""Fractional maximum pooling with random numbers from the generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat import _dtype
from torchcompat._random import sample
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor

Sizes = int | Sequence[int]


def _make(n: int) -> tuple[Callable, Callable]:
    """`fractional_max_pool{n}d` and `fractional_max_pool{n}d_with_indices`."""
    title = f"fractional_max_pool{n}d"
    row = getattr(ops, f"{title}_with_indices")

    @lifted
    def with_indices(
        input: Tensor,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The maximum of each window and where in its flattened plane it is."""
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{title} requires specifying either an output_size or an output_ratio"
            )
        if output_size is None:
            output_size = _scaled(n, title, input, output_ratio)
        samples = _drawn(n, input) if _random_samples is None else _random_samples
        return row(input, kernel_size, output_size, samples)

    def pool(
        input: Tensor,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> Any:
        """The maximum of windows at pseudo-random distances, the same for a whole plane.

        Args:
            output_size: number of windows, one for all dimensions or one each.
            output_ratio: that number as a share of the input's size; give one of the two.
            return_indices: also return where in its flattened plane each maximum is.

        Shape:
            input `(N, C, *)` or `(C, *)`; output `(N, C, *output_size)` or without N.

        Source: Graham, Fractional Max-Pooling, 2014.
        """
        found = with_indices(
            input, kernel_size, output_size, output_ratio, return_indices, _random_samples
        )
        return found if return_indices else found[0]

    for function, name in ((pool, title), (with_indices, f"{title}_with_indices")):
        function.__name__ = function.__qualname__ = name
    return pool, with_indices


def _scaled(n: int, title: str, input: Tensor, ratio: Any) -> list[int]:
    if n == 2 and len(ratio) > 2:
        raise ValueError(
            f"{title} requires output_ratio to either be a single Int or tuple of Ints."
        )
    ratios = ratio if isinstance(ratio, (list, tuple)) else (ratio,) * n
    spatial = input.shape[-n:]
    return [int(spatial[d] * ratios[d]) for d in range(n)]


def _drawn(n: int, input: Tensor) -> Any:
    """One random number a plane and dimension."""
    if input.ndim < n + 1:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{input.ndim}, "
            f"{input.ndim - 1}], but got {-n - 1})"
        )
    if not input.is_floating_point():
        kind = _dtype.scalar_name(input.dtype)
        raise NotImplementedError(f"\"check_uniform_bounds\" not implemented for '{kind}'")
    batch = 1 if input.ndim == n + 1 else input.shape[0]
    shape = (batch, input.shape[-n - 1], n)
    return sample("uniform", None, shape, input.dtype.numpy)


fractional_max_pool2d, fractional_max_pool2d_with_indices = _make(2)
fractional_max_pool3d, fractional_max_pool3d_with_indices = _make(3)
