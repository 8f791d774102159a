"""`torch.ao.nn`: quantized layers' names."""

from torchcompat.ao.nn import intrinsic, quantized

__all__ = ["intrinsic", "quantized"]
