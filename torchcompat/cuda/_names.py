"""The functions of `torch.cuda`."""

from __future__ import annotations

from typing import Any

from torchcompat._absent import fill
from torchcompat._accelerator import Accelerator
from torchcompat._memory_errors import AcceleratorError
from torchcompat.cuda._types import TYPES

ACCELERATOR = Accelerator("cuda", "CUDA")
globals().update(ACCELERATOR.exports())
globals().update(TYPES)
has_half, has_magma = True, False
CudaError = AcceleratorError


class DeferredCudaCallError(Exception):
    """An error of a call that was put off until CUDA starts."""


def _is_compiled() -> bool:
    """Whether JAX has a GPU backend."""
    return ACCELERATOR.is_available()


def _lazy_init() -> None:
    """Starts the backend; AssertionError where there is none."""
    ACCELERATOR.init()


def current_blas_handle() -> Any:
    """Refused: XLA has handles of its own."""
    raise NotImplementedError("torch.cuda.current_blas_handle: XLA has handles of its own")


def get_gencode_flags() -> str:
    """The empty string: code is compiled for the device at hand."""
    return ""


def get_sync_debug_mode() -> int:
    """0: synchronizing calls are not watched."""
    return 0


fill(
    globals(),
    "XLA runs programs, not single kernels; torch.compile makes a program",
    classes="CUDAGraph ExternalStream CUDAPluggableAllocator MemPool GreenContext",
    functions="""graph make_graphed_callables graph_pool_handle caching_allocator_alloc
    caching_allocator_delete change_current_allocator cudart memory_snapshot memory_summary utilization
    temperature power_draw clock_rate list_gpu_processes set_sync_debug_mode use_mem_pool
    get_stream_from_external memory_usage""",
)
__all__ = [
    n for n in globals() if not n.startswith("_") and n not in ("Any", "fill", "annotations")
]
