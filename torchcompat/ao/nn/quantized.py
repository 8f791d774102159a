"""`torch.ao.nn.quantized`: the names of `torch.nn.quantized`."""

from torchcompat.nn.quantized import *  # noqa: F403
from torchcompat.nn.quantized import FloatFunctional, FXFloatFunctional

__all__ = ["FXFloatFunctional", "FloatFunctional"]
