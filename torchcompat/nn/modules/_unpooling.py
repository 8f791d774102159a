"""Layers that undo maximum pooling, and fractional maximum pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn.modules.module import Module
from torchcompat.nn.modules.utils import _ntuple

Sizes = int | Sequence[int]


class _MaxUnpoolNd(Module):
    """The maxima of pooling back at their indices, zeros elsewhere.

    Args:
        kernel_size, stride, padding: those of the pooling, in elements.
    """

    _spatial: int
    _functional: Callable
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        each = _ntuple(self._spatial)
        self.kernel_size = each(kernel_size)
        self.stride = each(kernel_size if stride is None else stride)
        self.padding = each(padding)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        return self._functional(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Undoes `MaxPool1d`: the maxima back at their indices, zeros elsewhere.

    Args:
        kernel_size, stride, padding: those of the pooling, in elements.

    Shape:
        input and indices `(N, C, L)` or `(C, L)`; output `(N, C, L_out)` or `(C, L_out)`,
        L_out = (L - 1) stride - 2 padding + kernel_size, or as `output_size` says.
    """

    _spatial = 1
    _functional = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """Undoes `MaxPool2d`; arguments as `MaxUnpool1d`, or one for each dimension.

    Shape:
        input and indices `(N, C, H, W)` or `(C, H, W)`; output `(N, C, H_out, W_out)` likewise.
    """

    _spatial = 2
    _functional = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """Undoes `MaxPool3d`; arguments as `MaxUnpool1d`, or one for each dimension.

    Shape:
        input and indices `(N, C, D, H, W)` or without N; output `(N, C, D_out, H_out, W_out)`.
    """

    _spatial = 3
    _functional = staticmethod(F.max_unpool3d)


class _FractionalMaxPoolNd(Module):
    """The maximum of windows at pseudo-random distances, the same for a whole plane."""

    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]
    _spatial: int
    _functional: Callable
    kernel_size: Sizes
    return_indices: bool
    output_size: Sizes | None
    output_ratio: float | Sequence[float] | None

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        each = _ntuple(self._spatial)
        self.kernel_size = each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else each(output_size)
        self.output_ratio = None if output_ratio is None else each(output_ratio)
        self._check(output_ratio)

    def _check(self, output_ratio: Any) -> None:
        if self.output_size is None and self.output_ratio is None:
            raise ValueError(
                f"{type(self).__name__} requires specifying either an output size, or a pooling "
                "ratio"
            )
        if self.output_size is not None and self.output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        ratios = self.output_ratio
        if ratios is not None and not all(0 < ratios[d] < 1 for d in range(self._spatial)):  # type: ignore[index]
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        return self._functional(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The maximum of windows at pseudo-random distances, the same for a whole plane.

    Args:
        kernel_size: of the windows, in elements, one for both dimensions or one each.
        output_size: number of windows, one for both dimensions or one each.
        output_ratio: that number as a share of the input's size, in (0, 1); give one of the two.
        return_indices: also return where in its plane each maximum is.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C, H_out, W_out)` or `(C, H_out, W_out)`.

    Source: Graham, Fractional Max-Pooling, 2014.
    """

    _spatial = 2
    _functional = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Fractional maximum pooling of volumes; arguments as `FractionalMaxPool2d`.

    Shape:
        input `(N, C, D, H, W)` or `(C, D, H, W)`; output `(N, C, D_out, H_out, W_out)` likewise.
    """

    _spatial = 3
    _functional = staticmethod(F.fractional_max_pool3d)

    def _check(self, output_ratio: Any) -> None:
        if min(self.kernel_size) <= 0:
            sizes = self.kernel_size
            shown = sizes[0] if len(set(sizes)) == 1 else sizes  # type: ignore[index]
            raise ValueError(f"kernel_size must be greater than 0, but got {shown}")
        super()._check(output_ratio)
