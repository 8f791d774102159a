"""The layers of `torch.ao.nn.quantized`: those that need no quantized kernel."""

from torchcompat.nn.modules.pooling import MaxPool2d

__all__ = ["MaxPool2d"]
