"""How a Flax array lies against torch's: one `Layout` for each kind of weight, in both directions.

The functions take and give NumPy or JAX arrays alike: they use only methods and indexing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Layout:
    """A transform that moves elements and changes none.

    Attributes:
        to_torch: the Flax array as torch lays it out.
        to_flax: the way back; its second argument is the shape of the Flax array.
    """

    to_torch: Callable[[Any], Any]
    to_flax: Callable[[Any, tuple], Any]

    def torch_shape(self, shape: tuple) -> tuple:
        """The shape on torch's side of a Flax array of this `shape`."""
        return self.to_torch(np.broadcast_to(np.False_, shape)).shape


def _kernel(x: Any) -> Any:
    """(spatial..., in, out) -> (out, in, spatial...)"""
    return x.transpose(x.ndim - 1, x.ndim - 2, *range(x.ndim - 2))


def _kernel_back(x: Any, shape: tuple) -> Any:
    return x.transpose(*range(2, x.ndim), 1, 0)


def _flipped(x: Any) -> Any:
    """(spatial..., in, out) -> (in, out, spatial...), each spatial axis the other way round"""
    axes = range(x.ndim - 2)
    return x[tuple(slice(None, None, -1) for _ in axes)].transpose(x.ndim - 2, x.ndim - 1, *axes)


def _flipped_back(x: Any, shape: tuple) -> Any:
    back = x.transpose(*range(2, x.ndim), 0, 1)
    return back[tuple(slice(None, None, -1) for _ in range(x.ndim - 2))]


SAME = Layout(lambda x: x, lambda x, shape: x)
FLAT = Layout(lambda x: x.reshape(-1), lambda x, shape: x.reshape(shape))
KERNEL = Layout(_kernel, _kernel_back)
FLIPPED = Layout(_flipped, _flipped_back)


def matrix(inputs: int) -> Layout:
    """(in..., out...) with `inputs` axes of inputs -> (all out, all in)."""

    def to_torch(x: Any) -> Any:
        return x.reshape(math.prod(x.shape[:inputs]), math.prod(x.shape[inputs:])).transpose(1, 0)

    return Layout(to_torch, lambda x, shape: x.transpose(1, 0).reshape(shape))


def permuted(order: tuple[int, ...], inner: Layout) -> Layout:
    """`inner` after the Flax axes were put in `order`."""
    back = tuple(int(i) for i in np.argsort(order))

    def to_flax(x: Any, shape: tuple) -> Any:
        return inner.to_flax(x, tuple(shape[i] for i in order)).transpose(*back)

    return Layout(lambda x: inner.to_torch(x.transpose(*order)), to_flax)
