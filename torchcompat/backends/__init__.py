"""`torch.backends`: which libraries do the work (XLA does all), and settings that torch source sets."""

from torchcompat.backends import (
    cpu,
    cuda,
    cudnn,
    cusparselt,
    kleidiai,
    mha,
    miopen,
    mkl,
    mkldnn,
    mps,
    nnpack,
    openmp,
    opt_einsum,
    python_native,
    quantized,
    xeon,
    xnnpack,
)

fp32_precision = "none"


def disable_global_flags() -> None:
    """Accepted: settings of backends hold for all threads and are only read."""


__all__ = [
    "disable_global_flags",
    "cpu",
    "cuda",
    "cudnn",
    "cusparselt",
    "fp32_precision",
    "kleidiai",
    "mha",
    "miopen",
    "mkl",
    "mkldnn",
    "mps",
    "nnpack",
    "openmp",
    "opt_einsum",
    "python_native",
    "quantized",
    "xeon",
    "xnnpack",
]
