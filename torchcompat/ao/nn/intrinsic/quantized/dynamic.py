"""`torch.ao.nn.intrinsic.quantized.dynamic`: names for imports."""

from torchcompat._absent import fill

fill(globals(), "there are no quantized kernels", classes="LinearReLU")
