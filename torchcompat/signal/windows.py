"""Window functions of `torch.signal.windows`: `M` samples, symmetric or one period of a longer one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from torchcompat._memory_format import strided
from torchcompat._tensor._place import finish, kind_of, put, resolve
from torchcompat._tensor._steps import spaced
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(
    name: str,
    M: int,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    start: float,
    end: float,
    values: Callable[[np.ndarray], np.ndarray],
) -> Tensor:
    """`values` of `M` evenly spaced numbers; a window of one sample is 1."""
    kind = _check(name, M, dtype, layout)
    if M < 2:
        host = np.ones(M, kind.numpy)
    else:
        host = values(spaced(start, end, M, kind)).astype(kind.numpy)
    return finish(put(host, resolve(device)), requires_grad)


def _check(name: str, M: int, dtype: Any, layout: Any) -> Any:
    kind = kind_of(name, dtype)
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if kind.name not in ("float32", "float64"):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    return kind


def _period(M: int, sym: bool) -> int:
    """The number of steps in a full window, of at least one."""
    return max(M - 1 if sym else M, 1)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`exp(-|n - center| / tau)`.

    Args:
        center: the middle by default; it may be given for periodic windows only.
        tau: the decay, in samples.
    """
    _check("exponential", M, dtype, layout)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if center is None:
        center = (M if not sym and M > 1 else M - 1) / 2.0
    ends = -center * (1 / tau), (-center + (M - 1)) * (1 / tau)
    decay = lambda k: np.exp(-np.abs(k))  # noqa: E731
    return _window("exponential", M, dtype, layout, device, requires_grad, *ends, decay)


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Half a period of a sine."""
    step = math.pi / (M if sym else M + 1) if M > 0 else 0.0
    ends = 0.5 * step, (0.5 + (M - 1)) * step
    return _window("cosine", M, dtype, layout, device, requires_grad, *ends, np.sin)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The bell curve of standard deviation `std`, in samples; 1 at its middle."""
    _check("gaussian", M, dtype, layout)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    start = -(M if not sym and M > 1 else M - 1) / 2.0
    step = 1 / (std * math.sqrt(2))
    ends = start * step, (start + (M - 1)) * step
    bell = lambda k: np.exp(-(k**2))  # noqa: E731
    return _window("gaussian", M, dtype, layout, device, requires_grad, *ends, bell)


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Kaiser's window: a modified Bessel function, the narrower the larger `beta`."""
    _check("kaiser", M, dtype, layout)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    end = min(beta, -beta + (M - 1) * (2.0 * beta / _period(M, sym)))

    def values(k: np.ndarray) -> np.ndarray:
        inside = np.sqrt(k.dtype.type(beta * beta) - k**2)
        return np.i0(inside) / np.i0(np.float64(beta))

    return _window("kaiser", M, dtype, layout, device, requires_grad, -beta, end, values)


def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The triangular window."""
    end = -1 + (M - 1) * (2 / _period(M, sym))
    triangle = lambda k: 1 - np.abs(k)  # noqa: E731
    return _window("bartlett", M, dtype, layout, device, requires_grad, -1, end, triangle)


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A sum of cosines of whole multiples of the period, with alternating signs.

    Args:
        a: the weight of each cosine, the constant first.
    """
    _check("general_cosine", M, dtype, layout)
    if M > 1:
        if not isinstance(a, Iterable):
            raise TypeError("Coefficients must be a list/tuple")
        if not a:
            raise ValueError("Coefficients cannot be empty")

    def values(k: np.ndarray) -> np.ndarray:
        total = np.zeros_like(k)
        for i, weight in enumerate(a):
            total = total + k.dtype.type((-1) ** i * weight) * np.cos(k.dtype.type(i) * k)
        return total

    end = (M - 1) * (2 * math.pi / _period(M, sym))
    return _window("general_cosine", M, dtype, layout, device, requires_grad, 0, end, values)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = strided,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`alpha - (1 - alpha) cos(2 pi n / (M - 1))`."""
    weights = [alpha, 1.0 - alpha]
    return general_cosine(
        M,
        a=weights,
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def _weighted(name: str, weights: tuple[float, ...], doc: str) -> Callable:
    """A window that is a sum of cosines with fixed weights."""

    def window(
        M: int,
        *,
        sym: bool = True,
        dtype: Any = None,
        layout: Any = strided,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        return general_cosine(
            M,
            a=weights,
            sym=sym,
            dtype=dtype,
            layout=layout,
            device=device,
            requires_grad=requires_grad,
        )

    window.__name__ = window.__qualname__ = name
    window.__doc__ = doc
    return window


hann = _weighted("hann", (0.5, 0.5), "The Hann window.")
hamming = _weighted("hamming", (0.54, 1 - 0.54), "The Hamming window.")
blackman = _weighted("blackman", (0.42, 0.5, 0.08), "Blackman's window of three cosines.")
nuttall = _weighted(
    "nuttall", (0.3635819, 0.4891775, 0.1365995, 0.0106411), "Nuttall's window of four cosines."
)
