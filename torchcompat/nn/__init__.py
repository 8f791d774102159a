"""torch.nn: modules, parameters, functionals and initialisers."""

import importlib as _importlib
from typing import Any as _Any

from torchcompat.nn import attention, functional, grad, init, modules, parallel, parameter, utils
from torchcompat.nn._factory import factory_kwargs
from torchcompat.nn.modules import *  # noqa: F403
from torchcompat.nn.parallel import DataParallel
from torchcompat.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)

__all__ = [
    *modules.__all__,
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "factory_kwargs",
    "functional",
    "grad",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
]


def __getattr__(name: str) -> _Any:
    if name in ("common_types", "intrinsic", "qat", "quantized"):
        return _importlib.import_module(f"torchcompat.nn.{name}")
    raise AttributeError(f"module 'torch.nn' has no attribute '{name}'")
