"""`torch.ao`: quantization's names."""

from torchcompat.ao import nn, quantization

__all__ = ["nn", "quantization"]
