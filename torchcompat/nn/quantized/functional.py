"""`torch.nn.quantized.functional`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    functions="""linear conv1d conv2d conv3d interpolate max_pool2d avg_pool2d hardtanh relu leaky_relu""",
)
