"""Window functions: `torch.hann_window` and its kin.

They are computed on the host, in the type asked for and torch's order of operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._memory_format import strided
from torchcompat._tensor._place import finish, kind_of, put, resolve
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "bartlett_window",
    "blackman_window",
    "hamming_window",
    "hann_window",
    "kaiser_window",
]


def _made(
    values: np.ndarray, kind: Any, device: Any, requires_grad: bool, out: Any = None
) -> Tensor:
    return finish(put(values.astype(kind.numpy), resolve(device)), requires_grad, out)


def _ones_where_short(length: int, kind: Any) -> np.ndarray | None:
    return np.ones(max(length, 0), kind.numpy) if length <= 1 else None


def _of_length(
    title: str, window_length: int, periodic: bool, kind: Any, layout: Any, values: Callable
) -> np.ndarray:
    """The window of `torch.<title>`: `values(length)`, of which a periodic one lacks the last."""
    if layout is not None and layout is not strided:
        raise RuntimeError(f"{title} is not implemented for sparse types, got: {layout}")
    if not isinstance(window_length, int):
        raise TypeError(
            f"{title}(): argument 'window_length' (position 1) must be int, "
            f"not {type(window_length).__name__}"
        )
    if kind.is_complex:
        raise NotImplementedError(f'"arange_cpu" not implemented for {_dtype.scalar_name(kind)!r}')
    if not kind.is_floating_point:
        raise RuntimeError(
            f"{title} expects floating point dtypes, got: {_dtype.scalar_name(kind)}"
        )
    if window_length < 0:
        raise RuntimeError(
            f"{title} requires non-negative window_length, got window_length={window_length}"
        )
    short = _ones_where_short(window_length, kind)
    if short is not None:
        return short
    found = values(window_length + bool(periodic), kind.numpy.type)
    return found[:-1] if periodic else found


def _ramp(length: int, kind: Any) -> np.ndarray:
    return np.arange(length, dtype=kind)


def _bartlett(length: int, kind: Any) -> np.ndarray:
    ramp = _ramp(length, kind) * kind(2.0 / (length - 1))
    half = ((length - 1) >> 1) + 1
    ramp[half:] = kind(2) - ramp[half:]
    return ramp


def _blackman(length: int, kind: Any) -> np.ndarray:
    ramp = _ramp(length, kind) * kind(math.pi / (length - 1))
    return np.cos(ramp * kind(4)) * kind(0.08) - np.cos(ramp * kind(2)) * kind(0.5) + kind(0.42)


def _hamming(alpha: float, beta: float) -> Callable:
    def values(length: int, kind: Any) -> np.ndarray:
        ramp = _ramp(length, kind) * kind(2.0 * math.pi / (length - 1))
        return np.cos(ramp) * kind(-beta) + kind(alpha)

    return values


def _kaiser(beta: float) -> Callable:
    def values(length: int, kind: Any) -> np.ndarray:
        position = 2.0 * np.arange(length) / (length - 1) - 1
        inside = np.sqrt(np.maximum(0.0, 1 - position**2))
        return (np.i0(beta * inside) / np.i0(np.float64(beta))).astype(kind)

    return values


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The Hann window.

    Args:
        periodic: one period of the window, for spectra; otherwise it is symmetric.
    """
    kind = kind_of("hann_window", dtype)
    values = _of_length("hann_window", window_length, periodic, kind, layout, _hamming(0.5, 0.5))
    return _made(values, kind, device, requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The Hamming window, `alpha - beta cos(2 pi n / (N - 1))`."""
    kind = kind_of("hamming_window", dtype)
    values = _of_length(
        "hamming_window", window_length, periodic, kind, layout, _hamming(alpha, beta)
    )
    return _made(values, kind, device, requires_grad)


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The triangular window."""
    kind = kind_of("bartlett_window", dtype)
    values = _of_length("bartlett_window", window_length, periodic, kind, layout, _bartlett)
    return _made(values, kind, device, requires_grad)


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Blackman's window of three cosines."""
    kind = kind_of("blackman_window", dtype)
    values = _of_length("blackman_window", window_length, periodic, kind, layout, _blackman)
    return _made(values, kind, device, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Kaiser's window, of a modified Bessel function."""
    kind = kind_of("kaiser_window", dtype)
    values = _of_length("kaiser_window", window_length, periodic, kind, layout, _kaiser(beta))
    return _made(values, kind, device, requires_grad)
