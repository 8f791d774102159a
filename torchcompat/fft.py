"""Discrete Fourier transforms, `torch.fft`: the op registry's functions of that face, and frequencies."""

from typing import Any

from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS
from torchcompat._tensor._steps import frequencies as _frequencies
from torchcompat._tensor._tensor import Tensor as Tensor

globals().update(_FUNCTIONS["fft"])
__all__ = ["Tensor", "fftfreq", "rfftfreq", *_FUNCTIONS["fft"]]


def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The frequency of each element of `fft`, the negative ones last.

    Args:
        n: elements of the signal.
        d: time between two of them, in seconds for frequencies in hertz.
    """
    return _frequencies("fftfreq", n, d, False, dtype, device, requires_grad, out)


def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The frequency of each element of `rfft`. Arguments as for `fftfreq`."""
    return _frequencies("rfftfreq", n, d, True, dtype, device, requires_grad, out)
