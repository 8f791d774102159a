"""Convolutions over one, two or three spatial dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jax import lax

from torchcompat._ops import _conv_cpu
from torchcompat._ops._common import wide
from torchcompat._ops._errors import cpp_name, require_kernel, scalar, sizes
from torchcompat._ops._registry import Array, op

_DOCUMENTATION = """Convolution (cross-correlation) over {n} spatial dimension{s}.

Args:
    stride, dilation: steps in elements, one for all dimensions or one each.
    padding: zeros a side in elements, or `"same"` (output as large as input) or `"valid"` (none).
    groups: blocks that input and output channels are divided into.

Shape:
    input `(N, C, {dims})` or `(C, {dims})`, weight `(C_out, C/groups, {kernel})`, bias `(C_out)`;
    output `(N, C_out, {out})` or without N.
"""


def _make(n: int) -> Callable:
    def conv(
        input: Array,
        weight: Array,
        bias: Array | None = None,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> Array:
        return _conv_nd(n, input, weight, bias, stride, padding, dilation, groups)

    letters = "DHW"[3 - n :] if n > 1 else "L"
    conv.__doc__ = _DOCUMENTATION.format(
        n=n,
        s="s" * (n > 1),
        dims=", ".join(letters),
        kernel=", ".join(f"k{x}" for x in letters),
        out=", ".join(f"{x}_out" for x in letters),
    )
    return op("torch", "functional", name=f"conv{n}d", grad="ConvolutionBackward0")(conv)


conv1d, conv2d, conv3d = map(_make, (1, 2, 3))


def _conv_nd(n: int, input, weight, bias, stride, padding, dilation, groups) -> Array:
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv{n}d, "
            f"but got input of size: {sizes(input)}"
        )
    if input.ndim == n + 1:
        batched = _conv_nd(n, input[None], weight, bias, stride, padding, dilation, groups)
        return batched[0]
    spatial = spatial_rank(weight)
    if spatial != n and padding == "same":
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight"
            f"{sizes(weight)}, but got {input.ndim}-dimensional input of size {sizes(input)} "
            "instead"
        )
    stride = per_dimension("stride", stride, n, spatial)
    dilation = per_dimension("dilation", dilation, n, spatial)
    kernel = weight.shape[2:]
    pads = _pads(padding, n, spatial, stride, dilation, kernel)
    _check(input, weight, bias, groups, stride, pads, dilation)
    out = correlate(input, weight, stride, pads, dilation, groups)
    return add_bias(out, bias)


def spatial_rank(weight: Array) -> int:
    """The number of dimensions that a kernel passes over."""
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    return weight.ndim - 2


def per_dimension(name: str, value: int | Sequence[int], n: int, spatial: int) -> tuple[int, ...]:
    """A parameter given once or for each dimension, checked against the kernel's rank."""
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) not in (1, spatial):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {spatial} values to match "
            f"the convolution dimensions, but got {name}={list(values)}"
        )
    return values * spatial if len(values) == 1 else values


def _pads(padding, n, spatial, stride, dilation, kernel) -> tuple[tuple[int, int], ...]:
    """`(before, after)` in elements of each spatial dimension."""
    if not isinstance(padding, str):
        values = per_dimension("padding", padding, n, spatial)
        if min(values) < 0:
            raise RuntimeError("negative padding is not supported")
        return tuple((p, p) for p in values)
    if padding == "valid":
        return ((0, 0),) * spatial
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return tuple((total // 2, total - total // 2) for total in totals)


def _check(input, weight, bias, groups, stride, pads, dilation) -> None:
    if min(dilation) <= 0 and input.shape[0] == 1:
        raise _dilation_of_one_sample(dilation)
    for name, least in (("stride", min(stride)), ("dilation", min(dilation)), ("groups", groups)):
        if least <= 0:
            raise RuntimeError(f"non-positive {name} is not supported")
    out_channels, depth = weight.shape[:2]
    if out_channels < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, "
            f"but got weight of size {sizes(weight)} instead"
        )
    if out_channels % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{sizes(weight)}] instead"
        )
    if input.shape[1] != depth * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {sizes(weight)}, expected input{sizes(input)} "
            f"to have {depth * groups} channels, but got {input.shape[1]} channels instead"
        )
    if bias is not None and bias.shape != (out_channels,):
        raise RuntimeError(
            f"Given weight of size {sizes(weight)}, expected bias to be 1-dimensional with "
            f"{out_channels} elements, but got bias of size {sizes(bias)} instead"
        )
    _check_room(input, weight, pads, dilation)
    check_types("slow_conv2d_cpu", input, weight, bias)


def _dilation_of_one_sample(dilation: Sequence[int]) -> RuntimeError:
    """torch checks the dilation elsewhere, in other words, for a batch of one."""
    text = "dilation should be greater than zero"
    if min(dilation) < 0:
        return RuntimeError(text)
    listed = [1, *dilation] if len(dilation) == 1 else list(dilation)
    return RuntimeError(f"{text}, but got {listed}")


def _check_room(input: Array, weight: Array, pads, dilation) -> None:
    room = [size + sum(p) for size, p in zip(input.shape[2:], pads)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:])]
    if any(r > size for r, size in zip(reach, room)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, room))}). "
            f"Kernel size: ({' x '.join(map(str, reach))}). "
            "Kernel size can't be greater than actual input size"
        )


def check_types(kernel: str, input: Array, weight: Array, bias: Array | None) -> None:
    """Raises torch's errors where the types differ, or `kernel` is not built for them."""
    if bias is not None and bias.dtype != input.dtype:
        raise RuntimeError(
            f"Input type ({cpp_name(input)}) and bias type ({cpp_name(bias)}) should be the same"
        )
    require_kernel(kernel, input, "floating", "complex", "integer")
    if weight.dtype == input.dtype:
        return
    if input.dtype.name not in ("float32", "bfloat16", "complex64", "complex128"):
        raise RuntimeError(f"expected scalar type {scalar(input)} but found {scalar(weight)}")
    plain = input.dtype.name == "float32"
    own = "torch.FloatTensor" if plain else f"CPU{scalar(input)}Type"
    other = (
        ""
        if input.dtype.kind == "c"
        else " or input should be a MKLDNN tensor and weight is a dense tensor"
    )
    raise RuntimeError(
        f"Input type ({own}) and weight type (torch.{scalar(weight)}Tensor) "
        f"should be the same{other}"
    )


def correlate(
    x: Array,
    weight: Array,
    stride,
    pads,
    dilation,
    groups: int,
    spread: Sequence[int] | None = None,
) -> Array:
    """The sums of products as the kernel passes over a padded input.

    Args:
        pads: `(before, after)` of each dimension; negative ones take elements away.
        spread: steps at which the input's elements lie, zeros between them; 1 by default.
    """
    spread = tuple(spread or (1,) * len(stride))
    how = _conv_cpu.Geometry(tuple(stride), pads, tuple(dilation), groups)

    def general(x: Array, weight: Array, how: _conv_cpu.Geometry = how, spread=None) -> Array:
        return lax.conv_general_dilated(
            x,
            weight,
            how.stride,
            how.pads,
            lhs_dilation=spread,
            rhs_dilation=how.dilation,
            feature_group_count=how.groups,
            precision=lax.Precision.HIGHEST,
        )

    def native(x: Array, weight: Array) -> Array:
        return general(x, weight, spread=spread)

    def on_cpu(x: Array, weight: Array) -> Array:
        if max(spread) > 1:
            return _conv_cpu.spread_correlate(x, weight, how, spread, general)
        return _conv_cpu.correlate(x, weight, how, general)

    if groups == 1 and max(spread) == 1:
        return native(x, weight)
    return lax.platform_dependent(x, weight, cpu=on_cpu, default=native)


def add_bias(out: Array, bias: Array | None) -> Array:
    """`out + bias` over dimension 1; half types by way of float32, for the sum that is its gradient."""
    if bias is None:
        return out
    return (wide(out) + wide(bias).reshape(-1, *(1,) * (out.ndim - 2))).astype(out.dtype)
