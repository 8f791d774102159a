"""`torch._subclasses`: names for imports."""

from torchcompat._subclasses import fake_tensor
from torchcompat._subclasses.fake_tensor import (  # type: ignore[attr-defined]
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
)

__all__ = [
    "DynamicOutputShapeException",
    "FakeTensor",
    "FakeTensorMode",
    "UnsupportedFakeTensorException",
    "fake_tensor",
]
