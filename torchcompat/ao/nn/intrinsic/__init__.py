"""`torch.ao.nn.intrinsic`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    classes="""_FusedModule ConvBn1d ConvBn2d ConvBn3d ConvBnReLU1d ConvBnReLU2d ConvBnReLU3d ConvReLU1d
    ConvReLU2d ConvReLU3d LinearReLU BNReLU2d BNReLU3d LinearBn1d""",
)
