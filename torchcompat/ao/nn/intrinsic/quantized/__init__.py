"""`torch.ao.nn.intrinsic.quantized`: names for imports."""

from torchcompat._absent import fill
from torchcompat.ao.nn.intrinsic.quantized import dynamic

__all__ = ["dynamic"]
fill(
    globals(),
    "there are no quantized kernels",
    classes="""BNReLU2d BNReLU3d ConvAdd2d ConvAddReLU2d ConvReLU1d ConvReLU2d ConvReLU3d LinearLeakyReLU
    LinearReLU LinearTanh""",
)
