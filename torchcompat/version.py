"""Versions: the torch whose interface this is, and torchcompat's own behind the plus sign."""

from torchcompat.torch_version import TorchVersion

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "rocm", "torchcompat", "xpu"]

RELEASE = "2.13.0"
torchcompat = "0.1.0"
__version__ = TorchVersion(f"{RELEASE}+torchcompat.{torchcompat}")
debug = False
git_version = "Unknown"
# No part of torch is compiled for these; JAX's own backends are asked in `torch.cuda`.
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
