"""`torch.nn.quantized`: `FloatFunctional`, and names of quantized layers."""

from torchcompat._absent import fill
from torchcompat.nn.quantized._float_functional import (
    LAYERS,
    WHY,
    FloatFunctional,
    FXFloatFunctional,
)

fill(globals(), WHY, classes=LAYERS)
__all__ = ["FXFloatFunctional", "FloatFunctional"]
