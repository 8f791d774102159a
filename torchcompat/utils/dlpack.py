"""`torch.utils.dlpack`: tensors shared with other frameworks without a copy."""

from __future__ import annotations

import enum
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._dispatch import as_array

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """DLPack's numbers for device types."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16
    kDLMAIA = 17


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor of what another framework holds, without a copy where JAX can share it.

    Args:
        ext_tensor: anything with `__dlpack__`.
        device: where the tensor is to be.
        copy: True for a copy; writes to the tensor never reach the other framework.
    """
    with jax.enable_x64(True):
        result = wrap(jnp.from_dlpack(ext_tensor, copy=copy))
    return result if device is None else result.to(device)


def to_dlpack(tensor: Any) -> Any:
    """A DLPack capsule of a tensor; most frameworks take the tensor itself."""
    return as_array(tensor).__dlpack__()
