"""`torch.testing`: comparisons and tensors for tests.

`torch.testing._internal`, torch's own test utilities and tables, is run from the files of the torch
that is installed, by `torchcompat.ported`.
"""

from torchcompat._absent import fill
from torchcompat.testing._closeness import assert_allclose, assert_close
from torchcompat.testing._creation import make_tensor

__all__ = ["FileCheck", "assert_allclose", "assert_close", "make_tensor"]

fill(globals(), "there is no TorchScript graph to check", classes="FileCheck")
