"""Enumerations and functions of `torch.onnx`; symbolic functions are kept, exporting is refused."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from torchcompat._absent import fill

WHY = "torchcompat does not write ONNX; jax.export writes StableHLO"


class TensorProtoDataType(enum.IntEnum):
    """ONNX's numbers for element types."""

    UNDEFINED = 0
    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16


class OperatorExportTypes(enum.IntEnum):
    """How operators are exported."""

    ONNX = 0
    ONNX_ATEN = 1
    ONNX_ATEN_FALLBACK = 2
    ONNX_FALLTHROUGH = 3


class TrainingMode(enum.IntEnum):
    """The mode a model is exported in."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class OnnxExporterError(RuntimeError):
    """An error of the exporter."""


def is_in_onnx_export() -> bool:
    """False."""
    return False


_symbolics: dict[tuple[str, int], Callable] = {}


def register_custom_op_symbolic(
    symbolic_name: str, symbolic_fn: Callable, opset_version: int
) -> None:
    """Keeps a symbolic function, which an exporter would call."""
    _symbolics[symbolic_name, opset_version] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forgets a symbolic function."""
    _symbolics.pop((symbolic_name, opset_version), None)


export: Any
ONNXProgram: Any
fill(globals(), WHY, functions="export", classes="ONNXProgram")
