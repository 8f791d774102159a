"""`torch.ao.quantization`: stubs that stand in models, and configurations; converting is refused."""

from torchcompat.ao.quantization._names import *  # noqa: F403
from torchcompat.ao.quantization._names import DeQuantStub, QConfig, QuantStub, QuantWrapper
from torchcompat.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = [
    "DeQuantStub",
    "QConfig",
    "QuantStub",
    "QuantWrapper",
    "fuse_conv_bn_eval",
    "fuse_linear_bn_eval",
]
