"""`torch.functional`: the functions that torch writes in Python."""

import sys as _sys
from typing import Any as _Any

__all__ = [  # noqa: F822
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "align_tensors",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "istft",
    "lu",
    "meshgrid",
    "norm",
    "split",
    "stft",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]


def __getattr__(name: str) -> _Any:
    if name in __all__:
        return getattr(_sys.modules["torchcompat"], name)
    raise AttributeError(f"module 'torch.functional' has no attribute '{name}'")
