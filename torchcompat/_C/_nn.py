"""`torch._C._nn`: the compiled functions of `torch.nn.functional`."""

import importlib as _importlib
from typing import Any as _Any

from torchcompat._kernels import kernel as _kernel
from torchcompat._tensor._convert import parse_module_to as _parse_to  # noqa: F401

_NAMES = {
    "col2im": "fold",
    "cross_entropy_loss": "cross_entropy",
    "im2col": "unfold",
    "log_sigmoid": "logsigmoid",
    "nll_loss2d": "nll_loss",
    "nll_loss_nd": "nll_loss",
}


def __getattr__(name: str) -> _Any:
    functional = _importlib.import_module("torchcompat.nn.functional")
    own = _NAMES.get(name, name)
    found = getattr(functional, own, None) or _importlib.import_module("torchcompat.ops")._aten(own)
    found = found or _kernel("torch._C._nn", name)
    if found is None or name.startswith("__"):
        raise AttributeError(f"module 'torch._C._nn' has no attribute '{name}'")
    return found
