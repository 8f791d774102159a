"""Convolution layers over one, two and three dimensions, plain and transposed, and lazy ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn.modules._conv_base import _ConvNd
from torchcompat.nn.modules.lazy import LazyModuleMixin
from torchcompat.nn.modules.utils import _ntuple
from torchcompat.nn.parameter import UninitializedParameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

Sizes = int | Sequence[int]


class _Conv(_ConvNd):
    """A convolution of `_spatial` dimensions; sizes may be given once for all of them."""

    _spatial: int
    _functional: Callable

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        each = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            padding if isinstance(padding, str) else each(padding),
            each(dilation),
            False,
            each(0),
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return self._functional(
            input, weight, bias, self.stride, padding, self.dilation, self.groups
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Convolution over one dimension.

    Args:
        kernel_size, stride, dilation: in elements.
        padding: elements a side, or `same` or `valid`.
        groups: blocks that input and output channels are divided into.
        padding_mode: `zeros`, `reflect`, `replicate` or `circular`.

    Shape:
        input `(N, C_in, L)` or `(C_in, L)`; output `(N, C_out, L_out)` or `(C_out, L_out)`,
        L_out = floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.
        weight `(C_out, C_in/groups, kernel_size)`, bias `(C_out)`.
    """

    _spatial = 1
    _functional = staticmethod(F.conv1d)  # type: ignore[var-annotated]


class Conv2d(_Conv):
    """Convolution over two dimensions; arguments as `Conv1d`, or one for each dimension.

    Shape:
        input `(N, C_in, H, W)` or `(C_in, H, W)`; output `(N, C_out, H_out, W_out)` or without N.
        weight `(C_out, C_in/groups, kH, kW)`, bias `(C_out)`.

    Example:
        >>> convolution = nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
        >>> convolution(torch.randn(2, 16, 50, 100)).size()
        torch.Size([2, 33, 28, 100])
    """

    _spatial = 2
    _functional = staticmethod(F.conv2d)  # type: ignore[var-annotated]


class Conv3d(_Conv):
    """Convolution over three dimensions; arguments as `Conv1d`, or one for each dimension.

    Shape:
        input `(N, C_in, D, H, W)` or without N; output `(N, C_out, D_out, H_out, W_out)` likewise.
        weight `(C_out, C_in/groups, kD, kH, kW)`, bias `(C_out)`.
    """

    _spatial = 3
    _functional = staticmethod(F.conv3d)  # type: ignore[var-annotated]


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution of `_spatial` dimensions; sizes may be given once for all of them."""

    _spatial: int
    _functional: Callable

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        each = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            each(padding),
            each(dilation),
            True,
            each(output_padding),
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._functional(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )

    def _output_padding(
        self, input: Tensor, output_size: Sequence[int] | None
    ) -> tuple[int, ...] | list[int]:
        """The padding that makes the output as large as asked for.

        Raises:
            ValueError: the size is smaller than the smallest, or a stride or more larger.
        """
        if output_size is None:
            return self.output_padding
        n = self._spatial
        leading = input.ndim - n
        if len(output_size) == leading + n:
            output_size = output_size[leading:]
        if len(output_size) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or "
                f"{leading + n} elements (got {len(output_size)})"
            )
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1  # type: ignore[operator]
            for size, s, p, d, k in zip(
                input.shape[leading:], self.stride, self.padding, self.dilation, self.kernel_size
            )
        ]
        most = [smallest + s - 1 for smallest, s in zip(least, self.stride)]
        if any(not low <= size <= high for low, size, high in zip(least, output_size, most)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to "
                f"{most} (for an input of {input.shape[leading:]})"
            )
        return [size - low for size, low in zip(output_size, least)]


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over one dimension: the gradient of `Conv1d` for its input.

    Args:
        kernel_size, stride, dilation: in elements.
        padding: elements a side that the output is cut by.
        output_padding: elements that one side of the output is longer by.
        groups: blocks that input and output channels are divided into.

    Shape:
        input `(N, C_in, L)` or `(C_in, L)`; output `(N, C_out, L_out)` or `(C_out, L_out)`,
        L_out = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1, or as
        the call's `output_size` says.
        weight `(C_in, C_out/groups, kernel_size)`, bias `(C_out)`.
    """

    _spatial = 1
    _functional = staticmethod(F.conv_transpose1d)  # type: ignore[var-annotated]


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over images; arguments as `ConvTranspose1d`, or one a dimension.

    Shape:
        input `(N, C_in, H, W)` or `(C_in, H, W)`; output `(N, C_out, H_out, W_out)` or without N.
        weight `(C_in, C_out/groups, kH, kW)`, bias `(C_out)`.

    Example:
        >>> nn.ConvTranspose2d(16, 33, 3, stride=2)(torch.randn(1, 16, 5, 6)).size()
        torch.Size([1, 33, 11, 13])
    """

    _spatial = 2
    _functional = staticmethod(F.conv_transpose2d)  # type: ignore[var-annotated]


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over volumes; arguments as `ConvTranspose1d`, or one a dimension.

    Shape:
        input `(N, C_in, D, H, W)` or without N; output `(N, C_out, D_out, H_out, W_out)` likewise.
        weight `(C_in, C_out/groups, kD, kH, kW)`, bias `(C_out)`.
    """

    _spatial = 3
    _functional = staticmethod(F.conv_transpose3d)  # type: ignore[var-annotated]


class _LazyConvXdMixin(LazyModuleMixin):
    """A convolution that takes `in_channels` from its first input."""

    _spatial: int
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    groups: int
    transposed: bool
    weight: UninitializedParameter
    bias: UninitializedParameter | None

    def _become_lazy(self, out_channels: int, bias: bool, **place: Any) -> None:
        self.weight = UninitializedParameter(**place)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(**place)

    def reset_parameters(self) -> None:
        """Draws fresh values, if there is a size for them."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Takes `in_channels` from the input."""
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._get_in_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        ends = (self.out_channels, self.in_channels)
        first, second = reversed(ends) if self.transposed else ends
        self.weight.materialize((first, second // self.groups, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input: Tensor) -> int:
        n = self._get_num_spatial_dims()
        if input.ndim not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[input.ndim - n - 1]

    def _get_num_spatial_dims(self) -> int:
        return self._spatial


class _LazyConv(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        geometry = stride, padding, dilation, groups
        super().__init__(0, 0, kernel_size, *geometry, False, padding_mode, device, dtype)
        self._become_lazy(out_channels, bias, device=device, dtype=dtype)


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        geometry = stride, padding, output_padding, groups
        super().__init__(0, 0, kernel_size, *geometry, False, dilation, padding_mode, device, dtype)
        self._become_lazy(out_channels, bias, device=device, dtype=dtype)


class LazyConv1d(_LazyConv, Conv1d):  # type: ignore[misc]
    """A `Conv1d` that takes `in_channels` from its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):  # type: ignore[misc]
    """A `Conv2d` that takes `in_channels` from its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):  # type: ignore[misc]
    """A `Conv3d` that takes `in_channels` from its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):  # type: ignore[misc]
    """A `ConvTranspose1d` that takes `in_channels` from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):  # type: ignore[misc]
    """A `ConvTranspose2d` that takes `in_channels` from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):  # type: ignore[misc]
    """A `ConvTranspose3d` that takes `in_channels` from its first input."""

    cls_to_become = ConvTranspose3d
