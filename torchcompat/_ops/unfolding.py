"""Sliding blocks as columns (`unfold`, im2col) and their sum back in place (`fold`, col2im)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._errors import sizes
from torchcompat._ops._registry import Array, op
from torchcompat._ops._windows import count

Sizes = int | Sequence[int]


def _pair(name: str, value: Sizes) -> tuple[int, int]:
    values = (value,) * 2 if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(values)}")
    return values


def _geometry(kernel_size, dilation, padding, stride) -> tuple[tuple[int, int], ...]:
    """The four parameters as pairs (height, width), each in its range."""
    names = ("kernel_size", "dilation", "padding", "stride")
    pairs = [_pair(*one) for one in zip(names, (kernel_size, dilation, padding, stride))]
    kernel, gaps, pads, steps = pairs
    for title, short, (height, width), least in (
        ("kernel size", "kernel", kernel, 1),
        ("dilation", "dilation", gaps, 1),
        ("padding", "pad", pads, 0),
        ("stride", "stride", steps, 1),
    ):
        if min(height, width) < least:
            bound = "greater than zero" if least else "non-negative"
            got = f"{short}_height: {height} {short}_width: {width}"
            raise RuntimeError(f"{title} should be {bound}, but got {got}")
    return tuple(pairs)


def _blocks(size: Sequence[int], kernel, dilation, padding, stride) -> tuple[int, int]:
    return tuple(
        count(n, k, s, p, d, False)
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride)
    )


def _columns(x: Array, kernel, dilation, padding, stride, blocks) -> Array:
    """`(N, C, H, W)` as `(N, C * kH * kW, blocks)`."""
    widths = ((0, 0), (0, 0), *((p, p) for p in padding))
    x = jnp.pad(x, widths)
    taps = [
        lax.slice(
            x,
            (0, 0, *starts),
            (*x.shape[:2], *(a + (b - 1) * s + 1 for a, b, s in zip(starts, blocks, stride))),
            (1, 1, *stride),
        )
        for starts in _starts(kernel, dilation)
    ]
    samples, channels = x.shape[:2]
    return jnp.stack(taps, axis=2).reshape(samples, channels * len(taps), math.prod(blocks))


def _starts(kernel: Sequence[int], dilation: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for tap in itertools.product(*map(range, kernel)):
        yield tuple(t * d for t, d in zip(tap, dilation))


@op(grad="Im2ColBackward0")
def unfold_blocks(
    input: Array, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Array:
    """The sliding blocks of a batch of images, one a column.

    Shape:
        input `(N, C, H, W)` or `(C, H, W)`; output `(N, C * kH * kW, L)` or without N.
    """
    kernel, gaps, pads, steps = _geometry(kernel_size, dilation, padding, stride)
    if input.ndim < 3:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{input.ndim}, "
            f"{input.ndim - 1}], but got {input.ndim})"
        )
    if input.ndim > 4 or 0 in input.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {sizes(input)}"
        )
    size = input.shape[-2:]
    blocks = _blocks(size, kernel, gaps, pads, steps)
    if min(blocks) < 1:
        raise RuntimeError(
            f"Given input with spatial size {size}, kernel_size={kernel}, dilation={gaps}, "
            f"padding={pads}, calculated shape of the array of sliding blocks as {blocks}, "
            "but its components must be at least one."
        )
    batch = input if input.ndim == 4 else input[None]
    out = _columns(batch, kernel, gaps, pads, steps, blocks)
    return out if input.ndim == 4 else out[0]


@op("functional", grad="Col2ImBackward0")
def fold(
    input: Array,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Array:
    """Images from columns of blocks, overlapping elements added up: the transpose of `unfold`.

    Shape:
        input `(N, C * kH * kW, L)` or without N; output `(N, C, H, W)` or without N.
    """
    size = _pair("output_size", output_size)
    geometry = _geometry(kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {sizes(input)}"
        )
    blocks = _blocks(size, *geometry)
    _check_fold(input, size, geometry, blocks)
    batch = input if input.ndim == 3 else input[None]
    channels = batch.shape[1] // math.prod(geometry[0])
    images = jax.ShapeDtypeStruct((batch.shape[0], channels, *size), input.dtype)
    transposed = jax.linear_transpose(lambda x: _columns(x, *geometry, blocks), images)  # type: ignore[call-arg]
    (out,) = transposed(batch)
    return out if input.ndim == 3 else out[0]


def _check_fold(input: Array, size, geometry, blocks) -> None:
    kernel, dilation, padding, stride = geometry
    rows, columns = input.shape[-2:]
    if rows % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={rows} and kernel_size={kernel}."
        )
    if columns != math.prod(blocks):
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, stride={stride}, expected size of input's dimension 2 to match "
            f"the calculated number of sliding blocks {blocks[0]} * {blocks[1]} = "
            f"{math.prod(blocks)}, but got input.size(2)={columns}."
        )
    if min(blocks) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, stride={stride}, calculated shape of the array of sliding blocks "
            f"as {blocks}, which is too small (non-positive)"
        )
