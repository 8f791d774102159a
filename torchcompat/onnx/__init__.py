"""`torch.onnx`: nothing is exported, and the questions are answered so."""

from torchcompat.onnx import operators, symbolic_helper, symbolic_opset9, symbolic_opset11
from torchcompat.onnx._names import (
    OnnxExporterError,
    ONNXProgram,
    OperatorExportTypes,
    TensorProtoDataType,
    TrainingMode,
    export,
    is_in_onnx_export,
    register_custom_op_symbolic,
    unregister_custom_op_symbolic,
)

__all__ = [
    "ONNXProgram",
    "OnnxExporterError",
    "OperatorExportTypes",
    "TensorProtoDataType",
    "TrainingMode",
    "export",
    "is_in_onnx_export",
    "operators",
    "register_custom_op_symbolic",
    "symbolic_helper",
    "symbolic_opset9",
    "symbolic_opset11",
    "unregister_custom_op_symbolic",
]
