"""torch.nn: modules, parameters, functionals and initialisers."""

from torchcompat.nn import functional, init
from torchcompat.nn.modules import *  # noqa: F403
from torchcompat.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)
