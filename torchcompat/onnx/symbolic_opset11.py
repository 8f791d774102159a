"""Symbolic functions of ONNX opset 11, which only an exporter calls."""

from torchcompat._absent import fill
from torchcompat.onnx._names import WHY

fill(
    globals(), WHY, functions="select squeeze unsqueeze masked_fill softmax dropout expand reshape"
)
