"""Decorators of symbolic functions, which only an exporter calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._absent import fill
from torchcompat.onnx._names import WHY, TensorProtoDataType

_KINDS = TensorProtoDataType
cast_pytorch_to_onnx = {
    "Byte": _KINDS.UINT8,
    "Char": _KINDS.INT8,
    "Double": _KINDS.DOUBLE,
    "Float": _KINDS.FLOAT,
    "Half": _KINDS.FLOAT16,
    "Int": _KINDS.INT32,
    "Long": _KINDS.INT64,
    "Short": _KINDS.INT16,
    "Bool": _KINDS.BOOL,
    "ComplexFloat": _KINDS.COMPLEX64,
    "ComplexDouble": _KINDS.COMPLEX128,
    "BFloat16": _KINDS.BFLOAT16,
    "Undefined": _KINDS.UNDEFINED,
}


def parse_args(*arg_descriptors: str) -> Callable:
    """A decorator that keeps how an exporter would read the arguments."""

    def mark(fn: Callable) -> Callable:
        fn._arg_descriptors = arg_descriptors  # type: ignore[attr-defined]
        return fn

    return mark


def quantized_args(*arg_q_descriptors: bool, **options: Any) -> Callable:
    """A decorator that returns its function."""
    return lambda fn: fn


fill(globals(), WHY, functions="_get_tensor_dim_size _get_tensor_sizes _maybe_get_const _is_value")
