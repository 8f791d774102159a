"""Transposed convolutions over one to three spatial dimensions, and the time-first `conv_tbc`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._errors import not_implemented, scalar, sizes
from torchcompat._ops._registry import Array, op
from torchcompat._ops.conv import add_bias, check_types, correlate, per_dimension, spatial_rank

_DOCUMENTATION = """Transposed convolution: the gradient of `conv{n}d` with regard to its input.

Args:
    stride, dilation: steps in elements, one for all dimensions or one each.
    padding: elements a side that the output is cut by.
    output_padding: elements that one side of the output is longer by, below stride or dilation.
    groups: blocks that input and output channels are divided into.

Shape:
    input `(N, C, *)` or `(C, *)`, weight `(C, C_out/groups, *kernel)`, bias `(C_out)`;
    output `(N, C_out, *out)` or without N,
    out = (in - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
"""


def _make(n: int) -> Callable:
    def conv_transpose(
        input: Array,
        weight: Array,
        bias: Array | None = None,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        dilation: int | Sequence[int] = 1,
    ) -> Array:
        geometry = stride, padding, output_padding, dilation
        return _transpose_nd(n, input, weight, bias, groups, geometry)

    conv_transpose.__doc__ = _DOCUMENTATION.format(n=n)
    return op("torch", "functional", name=f"conv_transpose{n}d", grad="ConvolutionBackward0")(
        conv_transpose
    )


conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_make, (1, 2, 3))


def _transpose_nd(n: int, input, weight, bias, groups: int, geometry) -> Array:
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv_transpose{n}d, "
            f"but got input of size: {sizes(input)}"
        )
    if input.ndim == n + 1:
        return _transpose_nd(n, input[None], weight, bias, groups, geometry)[0]
    spatial = spatial_rank(weight)
    names = ("stride", "padding", "output_padding", "dilation")
    steps, pads, extra, gaps = (
        per_dimension(*one, n, spatial) for one in zip(names, _geometry_types(n, geometry))
    )
    _check(input, weight, bias, groups, (steps, pads, extra, gaps))
    around = [
        (d * (k - 1) - p, d * (k - 1) - p + e)
        for k, p, e, d in zip(weight.shape[2:], pads, extra, gaps)
    ]
    kernel = _turned(weight, groups)
    out = correlate(input, kernel, (1,) * n, around, gaps, groups, spread=steps)
    return add_bias(out, bias)


def _geometry_types(n: int, geometry: tuple) -> tuple:
    if isinstance(geometry[1], str):
        raise TypeError(
            f"conv_transpose{n}d(): argument 'padding' (position 5) must be tuple of ints, not str"
        )
    return geometry


def _turned(weight: Array, groups: int) -> Array:
    """`(C_in, C_out/groups, *kernel)` as the kernel of a plain convolution, turned around."""
    channels, outs, *kernel = weight.shape
    blocks = weight.reshape(groups, channels // groups, outs, *kernel)
    turned = jnp.swapaxes(blocks, 1, 2).reshape(groups * outs, channels // groups, *kernel)
    return lax.rev(turned, tuple(range(2, weight.ndim)))


def _check(input: Array, weight: Array, bias: Array | None, groups: int, geometry) -> None:
    steps, pads, extra, gaps = geometry
    if min(pads) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(extra) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(steps) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(gaps) <= 0:
        raise RuntimeError("dilation should be greater than zero")
    _check_sizes(input, weight, bias, groups)
    _check_output_padding(steps, extra, gaps)
    _check_room(input, weight, geometry)
    kernel = f"slow_conv_transpose{max(weight.ndim - 2, 2)}d_out_cpu"
    check_types(kernel, input, weight, bias)
    if input.dtype.kind in "iu" and input.dtype.name != "int64":
        raise not_implemented(kernel, input)


def _check_sizes(input: Array, weight: Array, bias: Array | None, groups: int) -> None:
    channels, outs = weight.shape[:2]
    if input.ndim != weight.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight "
            f"{sizes(weight)}, but got {input.ndim}-dimensional input of size {sizes(input)} "
            "instead"
        )
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if channels < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, "
            f"but got weight of size {sizes(weight)} instead"
        )
    if channels % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{sizes(weight)}] instead"
        )
    if input.shape[1] != channels:
        raise RuntimeError(
            f"Given transposed=1, weight of size {sizes(weight)}, expected input{sizes(input)} "
            f"to have {channels} channels, but got {input.shape[1]} channels instead"
        )
    if bias is not None and bias.shape != (outs * groups,):
        raise RuntimeError(
            f"Given transposed=1, weight of size {sizes(weight)}, expected bias to be "
            f"1-dimensional with {outs * groups} elements, but got bias of size {sizes(bias)} "
            "instead"
        )
    if 0 in input.shape[2:]:
        shown = list(input.shape) if weight.ndim > 3 else [*input.shape[:2], 1, *input.shape[2:]]
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {shown}"
        )


def _as_planes(values: Sequence[int], missing: int) -> tuple[int, ...]:
    """torch runs one dimension as the width of a plane, and says so in its errors."""
    return tuple(values) if len(values) > 1 else (missing, *values)


def _check_output_padding(steps, extra, gaps) -> None:
    if all(e < s or e < d for e, s, d in zip(extra, steps, gaps)):
        return
    listed = []
    for name, values, missing in (
        ("output_padding", extra, 0),
        ("stride", steps, 1),
        ("dilation", gaps, 1),
    ):
        values = _as_planes(values, missing)
        axes = ("depth", "height", "width")[-len(values) :]
        listed += [f"{name}_{axis}: {value}" for axis, value in zip(axes, values)]
    raise RuntimeError(
        "output padding must be smaller than either stride or dilation, but got " + " ".join(listed)
    )


def _check_room(input: Array, weight: Array, geometry) -> None:
    out = [
        (size - 1) * s - 2 * p + d * (k - 1) + e + 1
        for size, k, s, p, e, d in zip(input.shape[2:], weight.shape[2:], *geometry)
    ]
    if 0 in weight.shape[1:]:
        raise RuntimeError(f"non-empty weight tensor expected, but got: {sizes(weight)}")
    if min(out) >= 1:
        return
    before, after = (" x ".join(map(str, _as_planes(v, 1))) for v in (input.shape[2:], out))
    raise RuntimeError(
        f"Given input size per channel: ({before}). "
        f"Calculated output size per channel: ({after}). Output size is too small"
    )


@op("torch", "functional")
def conv_tbc(input: Array, weight: Array, bias: Array, pad: int = 0) -> Array:
    """Convolution over the first dimension.

    Args:
        pad: zeros a side, in time steps.

    Shape:
        input `(T, N, C)`, weight `(kernel, C, C_out)`, bias `(C_out)`; output `(T_out, N, C_out)`,
        T_out = T + 2 pad - kernel + 1.
    """
    _check_tbc(input, weight, bias)
    steps = input.shape[0] + 2 * pad - weight.shape[0] + 1
    if steps < 0:
        shape = [steps, input.shape[1], weight.shape[2]]
        raise RuntimeError(f"Trying to create tensor with negative dimension {steps}: {shape}")
    out = lax.conv_general_dilated(
        input,
        weight,
        (1,),
        ((pad, pad),),
        dimension_numbers=("WNC", "WIO", "WNC"),
        precision=lax.Precision.HIGHEST,
    )
    return (wide(out) + wide(bias)).astype(out.dtype)


def _check_tbc(input: Array, weight: Array, bias: Array) -> None:
    if input.ndim != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if weight.ndim != 3:
        raise RuntimeError(
            "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels."
        )
    if bias.ndim != 1:
        raise RuntimeError("Bias must be 1-D")
    if input.shape[2] != weight.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if bias.shape[0] != weight.shape[2]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    if input.dtype != weight.dtype:
        named = " and ".join(scalar(x) for x in (input, weight))
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {named}")
