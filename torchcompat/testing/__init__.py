"""`torch.testing`: comparisons and tensors for tests.

`torch.testing._internal`, torch's own test utilities and tables, is run from the files of the torch
that is installed, by `torchcompat.ported`.
"""

from __future__ import annotations

import importlib
from typing import Any

from torchcompat._absent import fill
from torchcompat.testing._closeness import assert_allclose, assert_close
from torchcompat.testing._creation import make_tensor

__all__ = ["FileCheck", "assert_allclose", "assert_close", "make_tensor"]

fill(globals(), "there is no TorchScript graph to check", classes="FileCheck")


def __getattr__(name: str) -> Any:
    if name == "_utils":  # one of torch's own files
        return importlib.import_module("torchcompat.testing._utils")
    raise AttributeError(f"module 'torch.testing' has no attribute '{name}'")
