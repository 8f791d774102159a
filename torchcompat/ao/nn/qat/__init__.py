"""`torch.ao.nn.qat`: a name to import; there are no quantized kernels."""

from torchcompat.ao.nn.qat import modules

__all__ = ["modules"]
