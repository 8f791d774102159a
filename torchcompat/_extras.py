"""Functions of `torch` that source reaches for though they are not public, and copies of views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat import _dtype
from torchcompat._absent import absent_function
from torchcompat._memory_format import contiguous_format as legacy_contiguous_format
from torchcompat._symbolic import sym_sqrt
from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._dispatch import lifted
from torchcompat.onnx.operators import shape_as_tensor as _shape_as_tensor

_VIEWS = """alias as_strided detach expand permute select slice split split_with_sizes squeeze t transpose
unbind unfold unsqueeze view view_as_complex view_as_real"""


def _copying(name: str) -> Callable:
    @lifted
    def copy(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        view = self if name == "alias" else getattr(self, name)(*args, **kwargs)
        if isinstance(view, (tuple, list)):
            return tuple(one.clone() for one in view)
        return view.clone() if out is None else out.copy_(view)

    copy.__name__ = copy.__qualname__ = f"{name}_copy"
    copy.__doc__ = f"A fresh tensor of what `{name}` gives a view of."
    return copy


for _name in _VIEWS.split():
    globals()[f"{_name}_copy"] = _copying(_name)


_stack = ops.stack


def _nnpack_available() -> bool:
    """False: convolutions are XLA's."""
    return False


is_vulkan_available = _nnpack_available


@lifted
def detach(input: Tensor) -> Tensor:
    """A view of `input` that is cut off its graph."""
    return input.detach()


def detach_(input: Tensor) -> Tensor:
    """Cuts `input` off its graph."""
    return input.detach_()


@lifted
def _softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: _dtype.dtype
) -> Tensor:
    """The gradient of softmax's input, from that of its output."""
    product = grad_output * output
    return (product - output * product.sum(dim, keepdim=True)).to(input_dtype)


@lifted
def _log_softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: _dtype.dtype
) -> Tensor:
    """The gradient of log_softmax's input, from that of its output."""
    return (grad_output - output.exp() * grad_output.sum(dim, keepdim=True)).to(input_dtype)


_QUANTIZED = """_make_per_tensor_quantized_tensor _make_per_channel_quantized_tensor quantize_per_tensor
quantize_per_channel quantize_per_tensor_dynamic dequantize"""
for _name in _QUANTIZED.split():
    globals()[_name] = absent_function("torchcompat", _name, "there are no quantized dtypes")
_SCALED = "_scaled_mm _scaled_mm_v2"
for _name in _SCALED.split():
    globals()[_name] = absent_function("torchcompat", _name, "products of scaled float8")


def _disable_dynamo(fn: Callable | None = None, recursive: bool = True) -> Callable:
    """A decorator that changes nothing: there is no Dynamo to keep out."""
    return (lambda one: one) if fn is None else fn


_segment_reduce = ops.segment_reduce
_sym_sqrt = sym_sqrt

__all__ = [
    "_disable_dynamo",
    "_nnpack_available",
    "_stack",
    "_sym_sqrt",
    "is_vulkan_available",
    "_log_softmax_backward_data",
    "_shape_as_tensor",
    "_segment_reduce",
    "_softmax_backward_data",
    "detach",
    "detach_",
    "legacy_contiguous_format",
    *(f"{name}_copy" for name in _VIEWS.split()),
    *_QUANTIZED.split(),
    *_SCALED.split(),
]
