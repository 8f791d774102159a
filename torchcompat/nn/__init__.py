"""torch.nn: modules, parameters, functionals and initialisers."""

from torchcompat.nn import attention, functional, init, modules, parameter, utils
from torchcompat.nn.modules import *  # noqa: F403
from torchcompat.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)

__all__ = [
    *modules.__all__,
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]
