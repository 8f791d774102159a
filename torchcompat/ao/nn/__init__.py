"""`torch.ao.nn`: quantized layers' names."""

from torchcompat.ao.nn import intrinsic, qat, quantizable, quantized

__all__ = ["intrinsic", "qat", "quantizable", "quantized"]
