"""`stft` and `istft`: torch's checks around the two ops."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import method
from torchcompat._tensor._tensor import Tensor

__all__ = ["istft", "stft"]

_PADDING = ("reflect", "constant", "replicate", "circular")
_warned: set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        warnings.warn(text, UserWarning, stacklevel=4)


def _described(name: str, input: Tensor, settings: dict[str, Any]) -> str:
    """How torch's messages of these two functions begin."""
    kind = _dtype.scalar_name(input.dtype)
    size = list(input.shape)
    tensor = f"torch.{kind}Tensor{size}" if name == "stft" else f"CPU{kind}Type{size}"
    shown = ", ".join(f"{key}={_shown(value)}" for key, value in settings.items())
    return f"{name}({tensor}, {shown})"


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"torch.{_dtype.scalar_name(value.dtype)}Tensor{{{list(value.shape)}}}"
    return str(int(value)) if isinstance(value, bool) else str(value)


@method
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The short-time Fourier transform: the spectrum of overlapping frames of a signal.

    Args:
        n_fft: samples of a frame.
        hop_length: samples between the starts of two frames; a quarter of `n_fft` by default.
        win_length: samples of the window, `n_fft` by default.
        center: frame t lies around sample `t * hop_length`, the signal padded at both ends.
        onesided: only the frequencies that a real signal leaves open (the default for those).
        return_complex: real input needs it; False gives real and imaginary parts as a last dimension.
        align_to_window: without `center`, frames start where windows do and not where `n_fft` does.

    Shape:
        Input: (N, L) or (L)
        Output: (N, frequencies, frames) or (frequencies, frames)
    """
    if window is None:
        _warn_once(
            "A window was not provided. A rectangular window will be applied,which is known to cause "
            "spectral leakage. Other windows such as torch.hann_window or torch.hamming_window are "
            "recommended to reduce spectral leakage.To suppress this warning and use a rectangular "
            "window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
        )
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    single = input.ndim == 1
    signal = input.unsqueeze(0) if single else input
    if center:
        signal = _padded(signal, n_fft // 2, n_fft // 2, pad_mode)
    settings = {
        "n_fft": n_fft,
        "hop_length": hop_length,
        "win_length": win_length,
        "window": window,
        "normalized": normalized,
        "onesided": onesided,
        "return_complex": return_complex,
        "align_to_window": align_to_window,
    }
    shown = signal[0] if single else signal
    _check_stft(shown, settings)
    complexes = input.dtype.is_complex or window is not None and window.dtype.is_complex
    return_complex = _complex_wanted(return_complex, complexes)
    if onesided and complexes:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    onesided = not complexes if onesided is None else onesided
    if align_to_window:
        left = (n_fft - win_length) // 2
        signal = _padded(signal, left, n_fft - win_length - left, "constant")
    found = ops.stft_op(signal, window, n_fft, hop_length, win_length, bool(normalized), onesided)
    found = found[0] if single else found
    return found if return_complex else ops.view_as_real(found)


def _padded(signal: Tensor, left: int, right: int, mode: str) -> Tensor:
    if mode not in _PADDING:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return ops.pad(signal, (left, right), mode)


def _complex_wanted(return_complex: bool | None, complexes: bool) -> bool:
    if return_complex is None and not complexes:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further "
            "require that return_complex=True in a future PyTorch release."
        )
    if return_complex is False:
        _warn_once(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will "
            "return complex tensors for all inputs, and return_complex=False will raise an error.\n"
            "Note: you can still call torch.view_as_real on the complex output to recover the old "
            "return format."
        )
    return return_complex is not False


def _check_stft(input: Tensor, settings: dict[str, Any]) -> None:
    n_fft, hop, win = (settings[key] for key in ("n_fft", "hop_length", "win_length"))
    window = settings["window"]
    problem = None
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        problem = "expected a tensor of floating point or complex values"
    elif input.ndim not in (1, 2):
        problem = "expected a 1D or 2D tensor"
    elif not 0 < n_fft <= input.shape[-1]:
        problem = f"expected 0 < n_fft < {input.shape[-1]}, but got n_fft={n_fft}"
    elif hop <= 0:
        problem = f"expected hop_length > 0, but got hop_length={hop}"
    elif not 0 < win <= n_fft:
        problem = f"expected 0 < win_length <= n_fft, but got win_length={win}"
    elif window is not None and tuple(window.shape) != (win,):
        problem = (
            f"expected a 1D window tensor of size equal to win_length={win}, but got window with "
            f"size {list(window.shape)}"
        )
    if problem is not None:
        raise RuntimeError(f"{_described('stft', input, settings)} : {problem}")
    if input.dtype.name in ("float16", "bfloat16"):
        name = _dtype.scalar_name(input.dtype)
        raise RuntimeError(f"MKL FFT doesn't support tensors of type: {name}")


@method
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose `stft` is nearest to `input`. Arguments as for `stft`.

    Args:
        length: samples of the result.

    Shape:
        Input: (N, frequencies, frames) or (frequencies, frames)
        Output: (N, L) or (L)
    """
    if window is None:
        _warn_once(
            "A window was not provided. A rectangular window will be applied.Please provide the same "
            "window used by stft to make the inversion lossless.To suppress this warning and use a "
            "rectangular window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
        )
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    settings = {
        "n_fft": n_fft,
        "hop_length": hop_length,
        "win_length": win_length,
        "window": window,
        "center": center,
        "normalized": normalized,
        "onesided": onesided,
        "length": length,
        "return_complex": return_complex,
    }
    onesided = _check_istft(input, settings)
    batch = input.unsqueeze(0) if input.ndim == 2 else input
    total, weights = ops.istft_op(
        batch, window, n_fft, hop_length, win_length, normalized, not return_complex, onesided
    )
    found = _cut(total, weights, _described("istft", input, settings), n_fft, center, length)
    return found[0] if input.ndim == 2 else found


def _cut(
    total: Tensor, weights: Tensor, title: str, n_fft: int, center: bool, length: int | None
) -> Tensor:
    """The part of the signal asked for, divided by the squares of the windows over it."""
    start = n_fft // 2 if center else 0
    end = total.shape[-1] - (n_fft // 2 if center else 0)
    if length is not None:
        end = min(start + length, total.shape[-1])
    total, weights = total[:, start:end], weights[start:end]
    held = weights._read()
    known = not isinstance(held, (jax.core.Tracer, jax.ShapeDtypeStruct))
    if known and not (held.size and np.abs(np.asarray(held)).min() > 1e-11):
        raise RuntimeError(f"{title} window overlap add min: 1\n[ CPUBoolType{{}} ]")
    found = total / weights
    if length is None or found.shape[-1] >= length:
        return found
    _warn_once(
        "The length of signal is shorter than the length parameter. Result is being padded with "
        "zeros in the tail. Please check your center and hop_length settings."
    )
    return _padded(found, 0, length - found.shape[-1], "constant")


def _check_istft(input: Tensor, settings: dict[str, Any]) -> bool:
    """Raises torch's errors; says whether the spectrum is one-sided."""
    n_fft, hop, win = (settings[key] for key in ("n_fft", "hop_length", "win_length"))
    window, onesided = settings["window"], settings["onesided"]
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    if input.ndim < 2:
        raise IndexError("Dimension out of range (expected to be in range of [-2, 1], but got -3)")
    bins = input.shape[-2]
    if onesided is None:
        onesided = bins != n_fft
    problem = None
    if 0 in input.shape:
        problem = "input tensor cannot be empty."
    elif input.ndim > 3:
        problem = f"expected a tensor with 3 or 4 dimensions, but got {input.ndim + 1}"
    elif onesided and n_fft // 2 + 1 != bins:
        problem = (
            "expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft / 2 + 1 when onesided=True, but got {bins}"
        )
    elif not onesided and n_fft != bins:
        problem = (
            "expected the frequency dimension (3rd to the last) of the input tensor to match n_fft "
            f"when onesided=False, but got {bins}"
        )
    elif not 0 < hop <= win:
        problem = "expected 0 < hop_length <= win_length"
    elif not 0 < win <= n_fft:
        problem = "expected 0 < win_length <= n_fft"
    elif window is not None and tuple(window.shape) != (win,):
        problem = "Invalid window shape. window has to be 1D and length of `win_length`"
    if problem is not None:
        raise RuntimeError(f"{_described('istft', input, settings)} : {problem}")
    if settings["return_complex"] and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not settings["return_complex"] and window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    return onesided
