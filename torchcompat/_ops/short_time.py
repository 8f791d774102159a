"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

import math

import jax
from jax import numpy as jnp

from torchcompat._ops._common import cast, dtype_of, result_type
from torchcompat._ops._registry import Array, op


def _full_window(window: jax.Array | None, like: jax.Array, win_length: int, n_fft: int):
    """The window (all ones if there is none) in the middle of `n_fft` samples."""
    if window is None:
        window = jnp.ones(win_length, dtype_of(like).to_real().numpy)
    left = (n_fft - win_length) // 2
    return jnp.pad(window, (left, n_fft - win_length - left))


@op()
def stft_op(
    input: Array,
    window: Array | None,
    n_fft: int,
    hop_length: int,
    win_length: int,
    normalized: bool,
    onesided: bool,
) -> Array:
    """The spectrum of each frame of (N, L): (N, frequencies, frames)."""
    starts = jnp.arange(0, input.shape[-1] - n_fft + 1, hop_length)
    frames = input[:, starts[:, None] + jnp.arange(n_fft)]
    full = _full_window(window, input, win_length, n_fft)
    to = result_type(frames, full)
    signal = cast(frames, to) * cast(full, to)
    if onesided:
        spectrum = jnp.fft.rfft(signal)
    else:
        spectrum = jnp.fft.fft(cast(signal, to.to_complex()))
    spectrum = jnp.swapaxes(spectrum, -1, -2)
    return spectrum / math.sqrt(n_fft) if normalized else spectrum


def _overlapped(frames: jax.Array, hop_length: int) -> jax.Array:
    """The sum of (..., frames, samples) laid `hop_length` apart."""
    count, size = frames.shape[-2:]
    places = jnp.arange(count)[:, None] * hop_length + jnp.arange(size)
    total = jnp.zeros((*frames.shape[:-2], size + hop_length * (count - 1)), frames.dtype)
    return total.at[..., places].add(frames)


@op()
def istft_op(
    input: Array,
    window: Array | None,
    n_fft: int,
    hop_length: int,
    win_length: int,
    normalized: bool,
    real: bool,
    onesided: bool,
) -> tuple[Array, Array]:
    """The signal of (N, frequencies, frames) spectra, not yet divided; and what to divide it by."""
    spectrum = jnp.swapaxes(input, -1, -2)
    if real:
        frames = jnp.fft.irfft(spectrum[..., : n_fft // 2 + 1], n_fft)
    else:
        frames = jnp.fft.ifft(spectrum)
    if normalized:
        frames = frames * math.sqrt(n_fft)
    full = _full_window(window, input, win_length, n_fft)
    to = result_type(frames, full)
    frames, full = cast(frames, to), cast(full, to)
    weights = jnp.broadcast_to(full * full, (frames.shape[-2], n_fft))
    return _overlapped(frames * full, hop_length), _overlapped(weights, hop_length)
