"""The windows that pooling slides over each dimension: where they lie and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._registry import Array

# Up to this many elements a window is unrolled into slices, which XLA fuses.
_UNROLLED = 32


# JAX clamps indices when it lowers a program, which an outer 32-bit `jit` does without the scoped
# 64 bits of the trace (fails in jax 0.8 to 0.10); indices that are in bounds need no clamping.
IN_BOUNDS = "promise_in_bounds"


class Windows(NamedTuple):
    """The windows along one dimension, all of one extent, `stride` apart.

    Attributes:
        size: length of the dimension.
        kernel, stride, pad, dilation: in elements.
        out: number of windows.
    """

    size: int
    kernel: int
    stride: int
    pad: int
    dilation: int
    out: int

    def positions(self) -> np.ndarray:
        """Each window element's input position, `(out, kernel)`; padding lies outside."""
        starts = np.arange(self.out) * self.stride - self.pad
        return starts[:, None] + np.arange(self.kernel) * self.dilation

    def lengths(self, padded: bool) -> np.ndarray:
        """The number of elements that each window averages over, with or without its padding."""
        starts = np.arange(self.out) * self.stride - self.pad
        if padded:
            return np.minimum(starts + self.kernel, self.size + self.pad) - starts
        return np.minimum(starts + self.kernel, self.size) - np.maximum(starts, 0)

    def unrolled(self) -> bool:
        """Whether `taps` is the better way to read the windows."""
        return self.out > 1 and self.kernel <= _UNROLLED

    def taps(self, x: Array, axis: int, fill: float) -> Iterator[Array]:
        """For each element of the window, what it sees in all windows.

        Every `stride`-th element is an array of its own: the gradient of a strided slice is slow.
        """
        starts = [divmod(element * self.dilation, self.stride) for element in range(self.kernel)]
        steps = self.out + starts[-1][0]
        widths = [(0, 0, 0)] * x.ndim
        widths[axis] = (self.pad, steps * self.stride - self.size - self.pad, 0)
        x = lax.pad(x, jnp.asarray(fill, x.dtype), widths)
        if self.stride > 1:
            x = x.reshape(*x.shape[:axis], steps, self.stride, *x.shape[axis + 1 :])
        for start, phase in starts:
            held = lax.index_in_dim(x, phase, axis + 1, keepdims=False) if self.stride > 1 else x
            yield lax.slice_in_dim(held, start, start + self.out, axis=axis)

    def gather(self, x: Array, axis: int, fill: float) -> Array:
        """The windows along a new dimension after `axis`."""
        packed = self.kernel == self.stride and self.dilation == 1 and self.pad == 0
        if packed and self.out * self.kernel <= self.size:
            x = lax.slice_in_dim(x, 0, self.out * self.kernel, 1, axis)
            return x.reshape(*x.shape[:axis], self.out, self.kernel, *x.shape[axis + 1 :])
        return _gather(x, axis, self.positions(), fill)


class AdaptiveWindows(NamedTuple):
    """`out` windows that cover `size` elements as evenly as whole elements allow."""

    size: int
    out: int

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        steps = np.arange(self.out + 1)
        return steps[:-1] * self.size // self.out, -(-steps[1:] * self.size // self.out)

    def positions(self) -> np.ndarray:
        """As in `Windows`; windows shorter than the longest go on outside."""
        starts, ends = self._bounds()
        offsets = np.arange(int((ends - starts).max(initial=0)))
        return np.where(offsets < (ends - starts)[:, None], starts[:, None] + offsets, -1)

    def lengths(self, padded: bool) -> np.ndarray:
        """The number of elements in each window."""
        starts, ends = self._bounds()
        return ends - starts

    def unrolled(self) -> bool:
        return False

    def gather(self, x: Array, axis: int, fill: float) -> Array:
        """The windows along a new dimension after `axis`."""
        return _gather(x, axis, self.positions(), fill)


def adaptive(size: int, out: int) -> Windows | AdaptiveWindows:
    """`out` windows over `size` elements, of one extent where it divides evenly."""
    if out and size % out == 0:
        return Windows(size, size // out, size // out, 0, 1, out)
    return AdaptiveWindows(size, out)


def _gather(x: Array, axis: int, positions: np.ndarray, fill: float) -> Array:
    inside = (positions >= 0) & (positions < x.shape[axis])
    places = np.where(inside, positions, 0).astype(np.int32)
    found = x.at[(*(slice(None),) * axis, places)].get(mode=IN_BOUNDS)
    mask = inside.reshape(inside.shape + (1,) * (x.ndim - axis - 1))
    return jnp.where(mask, found, jnp.asarray(fill, x.dtype))


def count(size: int, kernel: int, stride: int, pad: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit; with `ceil_mode`, also one that starts inside and ends beyond."""
    room = size + 2 * pad - dilation * (kernel - 1) - 1
    out = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (out - 1) * stride >= size + pad:
        out -= 1
    return out
