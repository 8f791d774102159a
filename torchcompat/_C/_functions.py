"""`torch._C._functions`: the nodes that no op makes."""

from __future__ import annotations

from torchcompat._tensor._nodes import Accumulate as AccumulateGrad
from torchcompat.autograd._once import DelayedError, UndefinedGrad

__all__ = ["AccumulateGrad", "DelayedError", "UndefinedGrad"]
