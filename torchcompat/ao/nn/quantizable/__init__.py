"""`torch.ao.nn.quantizable`: a name to import; there are no quantized kernels."""

from torchcompat.ao.nn.quantizable import modules

__all__ = ["modules"]
