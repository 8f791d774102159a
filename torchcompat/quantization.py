"""`torch.quantization`: the older name of `torch.ao.quantization`."""

from torchcompat.ao.quantization import *  # noqa: F403
from torchcompat.ao.quantization._names import *  # noqa: F403
