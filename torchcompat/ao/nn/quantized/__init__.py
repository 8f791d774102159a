"""`torch.ao.nn.quantized`: the names of `torch.nn.quantized`."""

from torchcompat.ao.nn.quantized import modules
from torchcompat.ao.nn.quantized.modules import MaxPool2d
from torchcompat.nn.quantized import *  # noqa: F403
from torchcompat.nn.quantized import FloatFunctional, FXFloatFunctional

__all__ = ["FXFloatFunctional", "FloatFunctional", "MaxPool2d", "modules"]
