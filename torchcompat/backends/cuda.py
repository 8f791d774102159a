"""`torch.backends.cuda`: settings of matrix products and attention on GPUs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torchcompat import _device, _precision
from torchcompat._absent import fill


class cuBLASModule:
    """Settings of matrix products.

    Attributes:
        allow_tf32: whether products may use TensorFloat-32: `set_float32_matmul_precision` under
            another name.
    """

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"

    @property
    def allow_tf32(self) -> bool:
        """Whether products may use TensorFloat-32."""
        return _precision.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        _precision.set_float32_matmul_precision("high" if allowed else "highest")


class cuFFTPlanCacheManager:
    """The cache of FFT plans, which is XLA's own: it is empty."""

    size = 0
    max_size = 0

    def __getitem__(self, device: Any) -> cuFFTPlanCacheManager:
        return self

    def clear(self) -> None:
        """Nothing to do."""


matmul = cuBLASModule()
cufft_plan_cache = cuFFTPlanCacheManager()
_allowed = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}
_reduction = [False]


def is_built() -> bool:
    """Whether JAX has a GPU backend."""
    return _device.default_accelerator() == "cuda"


def flash_sdp_enabled() -> bool:
    """Whether flash attention may be used; XLA chooses how attention is computed."""
    return _allowed["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Allows flash attention."""
    _allowed["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Whether memory-efficient attention may be used."""
    return _allowed["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allows memory-efficient attention."""
    _allowed["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """Whether attention may be computed as it is written."""
    return _allowed["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Allows attention as it is written."""
    _allowed["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's attention may be used."""
    return _allowed["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allows cuDNN's attention."""
    _allowed["cudnn"] = bool(enabled)


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """Whether half-precision sums are allowed in attention."""
    return _reduction[0]


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Allows half-precision sums in attention."""
    _reduction[0] = bool(enabled)


def is_flash_attention_available() -> bool:
    """False: attention is compiled by XLA."""
    return False


def can_use_flash_attention(params: Any, debug: bool = False) -> bool:
    """False."""
    return False


can_use_efficient_attention = can_use_cudnn_attention = can_use_flash_attention


def preferred_linalg_library(backend: Any = None) -> str:
    """The string "Default": XLA has its own."""
    return "Default"


preferred_blas_library = preferred_linalg_library


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[None]:
    """Allows ways of computing attention inside a `with` block."""
    former = dict(_allowed)
    _allowed.update(
        flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
    )
    try:
        yield
    finally:
        _allowed.update(former)


fill(globals(), "attention is compiled by XLA", classes="SDPAParams")
