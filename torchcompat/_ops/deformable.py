"""Deformable convolution: each tap of the kernel is sampled at a place of its own."""

from __future__ import annotations

from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._registry import Array, op


@op(name="deform_conv2d", grad="DeformConv2DBackward")
def deform_conv2d(
    input: Array,
    weight: Array,
    offset: Array,
    mask: Array,
    bias: Array,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Array:
    """Convolution whose taps are moved by `offset` and scaled by `mask`.

    Args:
        offset_groups: groups of input channels with offsets (and masks) of their own.
        use_mask: whether `mask` counts.

    Shape:
        input `(N, C_in, H, W)`; weight `(C_out, C_in / groups, kH, kW)`; offset
        `(N, 2 * offset_groups * kH * kW, H_out, W_out)`, down before across; mask
        `(N, offset_groups * kH * kW, H_out, W_out)`; output `(N, C_out, H_out, W_out)`.

    Source:
        Zhu et al., "Deformable ConvNets v2", section 3.
    """
    kernel, stride = weight.shape[2:], (stride_h, stride_w)
    padding, dilation = (pad_h, pad_w), (dilation_h, dilation_w)
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1 if s > 0 else 0
        for n, p, d, k, s in zip(input.shape[2:], padding, dilation, kernel, stride)
    ]
    _check_steps(kernel, stride, padding, dilation)
    _check(input, weight, offset, mask, size, groups, offset_groups, use_mask)
    count, taps = input.shape[0], kernel[0] * kernel[1]
    moved = wide(offset).reshape(count, offset_groups, taps, 2, *size)
    rows = _regular(kernel[0], size[0], stride_h, pad_h, dilation_h)  # (kH, H_out)
    columns = _regular(kernel[1], size[1], stride_w, pad_w, dilation_w)
    y = moved[:, :, :, 0] + jnp.repeat(rows, kernel[1], 0)[:, :, None]
    x = moved[:, :, :, 1] + jnp.tile(columns, (kernel[0], 1))[:, None]
    sampled = _sampled(wide(input), y, x)  # (N, C_in, taps, H_out, W_out)
    if use_mask:
        scale = wide(mask).reshape(count, offset_groups, 1, taps, *size)
        shape = sampled.shape
        sampled = (sampled.reshape(count, offset_groups, -1, taps, *size) * scale).reshape(shape)
    grouped = sampled.reshape(count, groups, -1, taps, *size)
    filters = wide(weight).reshape(groups, weight.shape[0] // groups, -1, taps)
    out = jnp.einsum("ngcthw,goct->ngohw", grouped, filters)
    out = out.reshape(count, weight.shape[0], *size) + wide(bias)[:, None, None]
    return out.astype(input.dtype)


def _regular(taps: int, size: int, stride: int, padding: int, dilation: int) -> Array:
    """Where an ordinary convolution's taps lie along one dimension: `(taps, size)`."""
    return (
        jnp.arange(taps, dtype=jnp.int32)[:, None] * dilation
        + jnp.arange(size, dtype=jnp.int32) * stride
        - padding
    )


def _sampled(input: Array, y: Array, x: Array) -> Array:
    """Bilinear samples, zero outside: positions `(N, G, *places)`, result `(N, C, *places)`."""
    count, channels, height, width = input.shape
    groups = y.shape[1]
    images = input.reshape(count, groups, channels // groups, height * width)
    inside = (y > -1) & (y < height) & (x > -1) & (x < width)
    top, left = jnp.floor(y), jnp.floor(x)
    total = jnp.zeros((), input.dtype)
    for row, row_share in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_share in ((left, 1 - (x - left)), (left + 1, x - left)):
            exists = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = jnp.where(exists, row * width + column, 0).astype(jnp.int32)
            picked = jnp.take_along_axis(images, place.reshape(count, groups, 1, -1), -1)
            picked = picked.reshape(count, groups, -1, *y.shape[2:])
            weight = jnp.where(exists, row_share * column_share, 0)
            total = total + picked * weight[:, :, None]
    return total.reshape(count, channels, *y.shape[2:])


def _check_steps(kernel, stride, padding, dilation) -> None:
    for name, (down, across), least in (
        ("weight", kernel, 1),
        ("stride", stride, 1),
        ("pad", padding, 0),
        ("dilation", dilation, 1),
    ):
        if down < least or across < least:
            raise RuntimeError(f"{name}_h: {down} {name}_w: {across}")


def _check(input, weight, offset, mask, size, groups, offset_groups, use_mask) -> None:
    """Raises torchvision's errors for shapes that do not fit."""
    taps = weight.shape[2] * weight.shape[3]
    if weight.shape[1] * groups != input.shape[1]:
        raise RuntimeError(
            "Expected weight_c.size(1) * n_weight_grps == input_c.size(1) to be true, but got false."
        )
    if weight.shape[0] % groups:
        raise RuntimeError(
            "Expected weight_c.size(0) % n_weight_grps == 0 to be true, but got false."
        )
    _check_maps("offset", input, offset, 2 * offset_groups * taps, size)
    if use_mask:
        _check_maps("mask", input, mask, offset_groups * taps, size)
    if input.shape[1] % offset_groups:
        raise RuntimeError(
            "Expected input_c.size(1) % n_offset_grps == 0 to be true, but got false."
        )
    if min(size) <= 0:
        raise RuntimeError(f"Calculated output size too small - out_h: {size[0]} out_w: {size[1]}")


def _check_maps(name: str, input: Array, maps: Array, channels: int, size: list[int]) -> None:
    if maps.shape[1] != channels:
        raise RuntimeError(
            f"{name}.shape[1] is not valid: got: {maps.shape[1]} expected: {channels}"
        )
    if maps.shape[0] != input.shape[0]:
        raise RuntimeError(f"invalid batch size of {name}")
    if tuple(maps.shape[2:]) != tuple(size):
        raise RuntimeError(
            f"{name} output dims: ({maps.shape[2]}, {maps.shape[3]}) - computed output dims: "
            f"({size[0]}, {size[1]})"
        )
