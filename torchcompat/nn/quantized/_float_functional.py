"""Arithmetic as a module, which quantization would observe."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor, ops
from torchcompat.nn.modules.linear import Identity
from torchcompat.nn.modules.module import Module

WHY = "there are no quantized kernels"


class FloatFunctional(Module):
    """`add`, `mul`, `cat` ... with a place for an observer: `activation_post_process`."""

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process = Identity()

    def forward(self, x: Any) -> Any:
        """Refused, as in torch.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "FloatFunctional is not intended to use the 'forward'. Please use the underlying operation"
        )

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """`x + y`."""
        return self.activation_post_process(x + y)

    def add_scalar(self, x: Tensor, y: float) -> Tensor:
        """`x + y`, which is not observed."""
        return x + y

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        """`x * y`."""
        return self.activation_post_process(x * y)

    def mul_scalar(self, x: Tensor, y: float) -> Tensor:
        """`x * y`, which is not observed."""
        return x * y

    def cat(self, x: list[Tensor], dim: int = 0) -> Tensor:
        """The tensors joined along `dim`."""
        return self.activation_post_process(ops.cat(x, dim))

    def add_relu(self, x: Tensor, y: Tensor) -> Tensor:
        """The rectified sum."""
        return self.activation_post_process((x + y).relu())

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix product."""
        return self.activation_post_process(x @ y)


class FXFloatFunctional(FloatFunctional):
    """`FloatFunctional` without observers."""


LAYERS = """BatchNorm2d BatchNorm3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
DeQuantize Dropout ELU Embedding EmbeddingBag GroupNorm Hardswish InstanceNorm1d InstanceNorm2d
InstanceNorm3d LayerNorm LeakyReLU Linear LSTM MultiheadAttention PReLU Quantize ReLU6 Sigmoid Softmax
QFunctional"""
