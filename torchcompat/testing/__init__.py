"""`torch.testing`: comparisons and tensors for tests."""

from torchcompat.testing._comparison import assert_allclose, assert_close
from torchcompat.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
