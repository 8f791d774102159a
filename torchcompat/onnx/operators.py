"""Functions that torch's exporter knows to treat in their own way."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchcompat._tensor import Tensor
from torchcompat._tensor._place import put

__all__ = ["reshape_from_tensor_shape", "shape_as_tensor"]


def shape_as_tensor(x: Any) -> Tensor:
    """The sizes of `x` as an int64 tensor."""
    return put(np.asarray(tuple(x.shape), np.int64))


def reshape_from_tensor_shape(x: Tensor, shape: Tensor) -> Tensor:
    """`x` under the sizes that an int64 tensor holds."""
    return x.reshape(tuple(shape.tolist()))
