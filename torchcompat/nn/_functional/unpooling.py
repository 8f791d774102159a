"""Output sizes of unpooling, which pooling alone leaves open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torchcompat._tensor import ops
from torchcompat._tensor._tensor import Tensor

Sizes = int | Sequence[int]


def _make(n: int) -> Callable:
    row = getattr(ops, f"max_unpool{n}d")

    def max_unpool(
        input: Tensor,
        indices: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        output_size: Sequence[int] | None = None,
    ) -> Tensor:
        """The maxima of pooling back at their indices, zeros elsewhere.

        Args:
            kernel_size, stride, padding: those of the pooling.
            output_size: the size before it, where several would pool to the same.

        Shape:
            input and indices `(N, C, *)` or `(C, *)`; output `(N, C, *output_size)` or without N.
        """
        kernel = _each(n, kernel_size)
        steps = kernel if stride is None else _each(n, stride)
        size = _unpool_output_size(input, kernel, steps, _each(n, padding), output_size)
        if n == 3 and min(steps) <= 0:
            raise RuntimeError(
                f"strides should be greater than zero, but got stride: {list(steps)}"
            )
        if len(size) != n:
            raise RuntimeError(
                "There should be exactly three elements (depth, height, width) in output_size, "
                f"but got {len(size)} elements."
            )
        return row(input, indices, size)

    max_unpool.__name__ = max_unpool.__qualname__ = f"max_unpool{n}d"
    return max_unpool


def _each(n: int, value: Sizes) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)


def _unpool_output_size(
    input: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    output_size: Sequence[int] | None,
) -> list[int]:
    """The output size that was asked for, or else the smallest.

    Raises:
        ValueError: it is a stride or more away from the smallest.
    """
    n = len(kernel_size)
    spatial = input.shape[-n:]
    smallest = [(spatial[d] - 1) * stride[d] + kernel_size[d] - 2 * padding[d] for d in range(n)]
    if output_size is None:
        size = smallest
    else:
        size = output_size[2:] if len(output_size) == n + 2 else output_size
        _check_near(size, smallest, stride)
    for d, length in enumerate(size):
        if length < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, "
                f"but got output_size[{d}]={length}"
            )
    return list(size)


def _check_near(size: Sequence[int], smallest: Sequence[int], stride: Sequence[int]) -> None:
    n = len(smallest)
    if len(size) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, "
            f"but it has a length of '{len(size)}'"
        )
    for d, (length, middle, step) in enumerate(zip(size, smallest, stride)):
        if not middle - step < length < middle + step:
            raise ValueError(
                f'invalid output_size "{size}" (dim {d} must be between {middle - step} and '
                f"{middle + step})"
            )


max_unpool1d, max_unpool2d, max_unpool3d = map(_make, (1, 2, 3))
