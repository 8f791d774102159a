"""Channels rearranged among themselves, and traded for pixels."""

from __future__ import annotations

from torchcompat._ops._errors import sizes
from torchcompat._ops._registry import Array, op


@op("torch", "functional")
def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    """Each group of `r^2` channels as blocks of r x r pixels, r = `upscale_factor`.

    Shape:
        input `(*, C * r^2, H, W)`; output `(*, C, H * r, W * r)`.
    """
    _check_pixels("pixel_shuffle", input, "upscale_factor", upscale_factor)
    r = upscale_factor
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n = len(lead)
    x = input.reshape(*lead, channels // (r * r), r, r, height, width)
    x = x.transpose(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*lead, channels // (r * r), height * r, width * r)


@op("torch", "functional")
def pixel_unshuffle(input: Array, downscale_factor: int) -> Array:
    """Blocks of r x r pixels as groups of `r^2` channels: the inverse of `pixel_shuffle`.

    Shape:
        input `(*, C, H * r, W * r)`; output `(*, C * r^2, H, W)`.
    """
    _check_pixels("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    r = downscale_factor
    *lead, channels, height, width = input.shape
    for name, dim, size in (("height", -2, height), ("width", -1, width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but input.size({dim})={size} is not divisible by {r}"
            )
    n = len(lead)
    x = input.reshape(*lead, channels, height // r, r, width // r, r)
    x = x.transpose(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*lead, channels * r * r, height // r, width // r)


def _check_pixels(title: str, input: Array, name: str, factor: int) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{title} expects input to have at least 3 dimensions, "
            f"but got input with {input.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{title} expects a positive {name}, but got {factor}")


@op("torch", "functional", aliases=("native_channel_shuffle",))
def channel_shuffle(input: Array, groups: int) -> Array:
    """The first channels of all groups, then the second ones, and so on.

    Shape:
        input `(N, C, *)`; output as input.

    Source: Zhang et al., "ShuffleNet", 2018.
    """
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {sizes(input)}"
        )
    channels = input.shape[1]
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if channels % groups:
        raise RuntimeError(
            "Number of channels must be divisible by groups. "
            f"Got {channels} channels and {groups} groups."
        )
    grouped = input.reshape(input.shape[0], groups, channels // groups, *input.shape[2:])
    return grouped.swapaxes(1, 2).reshape(input.shape)
