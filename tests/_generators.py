"""Helpers of the tests that compare our generators with torch's."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import torch

from torchcompat._random import Generator

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
OTHERS = ("bool", "uint16", "uint32", "uint64", "complex64", "complex128")
NUMPY = {name: np.dtype(name) for name in (*FLOATS[:3], *INTEGERS, *OTHERS)}
NUMPY["bfloat16"] = np.dtype(ml_dtypes.bfloat16)


def bits(x: Any) -> np.ndarray:
    """The bytes of a torch tensor or a NumPy array."""
    if isinstance(x, torch.Tensor):
        return x.contiguous().reshape(-1).view(torch.uint8).numpy()
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8)


def pair(seed: int) -> tuple[Generator, torch.Generator]:
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def state_of(generator: Any) -> np.ndarray:
    return np.asarray(generator.get_state()).copy()


def assert_same_state(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(state_of(one), state_of(other))
