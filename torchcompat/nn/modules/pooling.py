"""Pooling layers: maximum, average, power average, and adaptive ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn.modules._unpooling import (
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
)
from torchcompat.nn.modules.module import Module
from torchcompat.nn.modules.utils import _single

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Sizes = int | Sequence[int]


class _MaxPoolNd(Module):
    """The maximum of each window.

    Args:
        kernel_size, stride, padding, dilation: in elements, one for all dimensions or one each;
            the stride is the kernel size by default, padding counts as -inf.
        return_indices: also return where in its plane each maximum is.
        ceil_mode: also pool the window that starts inside and ends beyond.
    """

    __constants__ = [
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "return_indices",
        "ceil_mode",
    ]
    return_indices: bool
    ceil_mode: bool
    _functional: Callable

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return self._functional(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window.

    Shape:
        input `(N, C, L)` or `(C, L)`; output `(N, C, L_out)` or `(C, L_out)`,
        L_out = floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.
    """

    _functional = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """The maximum of each window.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C, H_out, W_out)` or without N.
    """

    _functional = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window.

    Shape:
        input `(N, C, D, H, W)` or without N; output `(N, C, D_out, H_out, W_out)` likewise.
    """

    _functional = staticmethod(F.max_pool3d)


class _AvgPoolNd(Module):
    """The mean of each window.

    Args:
        kernel_size, stride, padding: in elements, one for all dimensions or one each; the stride
            is the kernel size by default.
        ceil_mode: also pool the window that starts inside and ends beyond.
        count_include_pad: count padding zeros as elements of the mean.
        divisor_override: divide by this number instead.
    """

    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]
    kernel_size: Sizes
    stride: Sizes
    padding: Sizes
    ceil_mode: bool
    count_include_pad: bool
    _functional: Callable

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = self._sizes(kernel_size)
        self.stride = self._sizes(stride if stride is not None else kernel_size)
        self.padding = self._sizes(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def _sizes(self, given: Sizes) -> Sizes:
        return given

    def forward(self, input: Tensor) -> Tensor:
        return self._functional(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            *self._divisor(),
        )

    def _divisor(self) -> tuple:
        return ()

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window.

    Shape:
        input `(N, C, L)` or `(C, L)`; output `(N, C, L_out)` or `(C, L_out)`,
        L_out = floor((L + 2 padding - kernel_size) / stride) + 1.
    """

    _functional = staticmethod(F.avg_pool1d)  # type: ignore[var-annotated]

    def _sizes(self, given: Sizes) -> Sizes:
        return _single(given)


class _AvgPoolWithDivisor(_AvgPoolNd):
    __constants__ = [*_AvgPoolNd.__constants__, "divisor_override"]
    divisor_override: int | None

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def _divisor(self) -> tuple:
        return (self.divisor_override,)


class AvgPool2d(_AvgPoolWithDivisor):
    """The mean of each window.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C, H_out, W_out)` or without N.
    """

    _functional = staticmethod(F.avg_pool2d)  # type: ignore[var-annotated]


class AvgPool3d(_AvgPoolWithDivisor):
    """The mean of each window.

    Shape:
        input `(N, C, D, H, W)` or without N; output `(N, C, D_out, H_out, W_out)` likewise.
    """

    _functional = staticmethod(F.avg_pool3d)  # type: ignore[var-annotated]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for name, default in (("padding", 0), ("ceil_mode", False), ("count_include_pad", True)):
            self.__dict__.setdefault(name, default)


class _LPPoolNd(Module):
    """The `norm_type`-norm of each window.

    Args:
        kernel_size, stride: in elements; the stride is the kernel size by default.
        ceil_mode: also pool the window that starts inside and ends beyond.
    """

    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    norm_type: float
    ceil_mode: bool
    _functional: Callable

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self._functional(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The `norm_type`-norm of each window.

    Shape:
        input `(N, C, L)` or `(C, L)`; output `(N, C, L_out)` or `(C, L_out)`.
    """

    _functional = staticmethod(F.lp_pool1d)  # type: ignore[var-annotated]


class LPPool2d(_LPPoolNd):
    """The `norm_type`-norm of each window.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C, H_out, W_out)` or without N.
    """

    _functional = staticmethod(F.lp_pool2d)  # type: ignore[var-annotated]


class LPPool3d(_LPPoolNd):
    """The `norm_type`-norm of each window.

    Shape:
        input `(N, C, D, H, W)` or without N; output `(N, C, D_out, H_out, W_out)` likewise.
    """

    _functional = staticmethod(F.lp_pool3d)  # type: ignore[var-annotated]


class _AdaptivePoolNd(Module):
    """One value for each of `output_size` even parts."""

    __constants__ = ["output_size"]
    _functional: Callable

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self._functional(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    """The maximum of each of `output_size` even parts.

    Args:
        output_size: one for all dimensions or one each; None keeps a dimension's size.
        return_indices: also return where in its plane each maximum is.
    """

    __constants__ = ["output_size", "return_indices"]
    return_indices: bool

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return self._functional(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The maximum of each even part.

    Shape:
        input `(N, C, L)` or `(C, L)`; output `(N, C, L_out)` or `(C, L_out)`.
    """

    _functional = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The maximum of each even part.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C, H_out, W_out)` or without N.
    """

    _functional = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The maximum of each even part.

    Shape:
        input `(N, C, D, H, W)` or without N; output `(N, C, D_out, H_out, W_out)` likewise.
    """

    _functional = staticmethod(F.adaptive_max_pool3d)


class _AdaptiveAvgPoolNd(_AdaptivePoolNd):
    """The mean of each of `output_size` even parts.

    Args:
        output_size: one for all dimensions or one each; None keeps a dimension's size.
    """


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each even part.

    Shape:
        input `(N, C, L)` or `(C, L)`; output `(N, C, L_out)` or `(C, L_out)`.
    """

    _functional = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each even part.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C, H_out, W_out)` or without N.
    """

    _functional = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each even part.

    Shape:
        input `(N, C, D, H, W)` or without N; output `(N, C, D_out, H_out, W_out)` likewise.
    """

    _functional = staticmethod(F.adaptive_avg_pool3d)
