"""What torch checks of the arguments of pooling, in its words.

A kind is `avg`, `max`, or `max_values`: `max_pool1d` without indices, which is a kernel of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import numpy as jnp

from torchcompat._ops._errors import not_implemented, sizes

Array = jax.Array
_WORDS = {2: "two", 3: "three"}

# How torch states a wrong number of values for each parameter, by op and number of dimensions.
_MAX_1D = {
    "kernel_size": "max_pool1d() kernel_size must be an int, list of ints or tuple of ints",
    "stride": "max_pool1d() stride must be None, an int, list of ints, or tuple of ints",
    "padding": "max_pool1d() padding must be an int, list of ints, or tuple of ints",
    "dilation": "max_pool1d() dilation must be an int, list of ints or tuple of ints",
}


def _wrong_number(kind: str, n: int, name: str, got: int) -> RuntimeError:
    if kind == "max_values":
        return RuntimeError(f"{_MAX_1D[name]} of size 1 but got size {got}")
    title = f"{kind}_pool{n}d"
    if n == 1:
        return RuntimeError(f"{title}() argument '{name}' should contain one int (got {got})")
    if kind == "avg" and n == 3:
        must = "must be"
    else:
        must = "must be either" if name == "dilation" else "must either be"
    omitted = "omitted, " if name == "stride" else ""
    return RuntimeError(
        f"{title}: {name} {must} {omitted}a single int, or a tuple of {_WORDS[n]} ints"
    )


def _values(kind: str, n: int, name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        values *= n
    if len(values) != n:
        raise _wrong_number(kind, n, name, len(values))
    return values


def geometry(kind: str, n: int, kernel_size, stride, padding, dilation=None) -> tuple:
    """`(kernel, stride, padding[, dilation])`, each a tuple of `n`; no stride means the kernel.

    Raises:
        RuntimeError: the wrong number of values, or one out of range.
    """
    kernel = _values(kind, n, "kernel_size", kernel_size)
    given = stride is not None and stride != () and stride != []
    steps = _values(kind, n, "stride", stride) if given else kernel
    pads = _values(kind, n, "padding", padding)
    if dilation is None:
        _check_range(kind, n, kernel, steps, pads, (1,) * n)
        return kernel, steps, pads
    gaps = _values(kind, n, "dilation", dilation)
    _check_range(kind, n, kernel, steps, pads, gaps)
    return kernel, steps, pads, gaps


def _check_range(kind: str, n: int, kernel, stride, padding, dilation) -> None:
    if kind == "max_values":
        _check_range_max_values(kernel[0], stride[0], padding[0], dilation[0])
        return
    if min(stride) <= 0:
        raise RuntimeError("stride should not be zero")
    if min(kernel) <= 0:
        raise RuntimeError("kernel size should be greater than zero, but got " + _each("k", kernel))
    if min(dilation) <= 0:
        got = _each("dilation", dilation)
        raise RuntimeError(f"dilation should be greater than zero, but got {got}")
    for k, p, d in zip(kernel, padding, dilation):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, "
                f"but got pad={p}, kernel_size={k} and dilation={d}"
            )
    if any(p > k // 2 for k, p in zip(kernel, padding)):
        raise _wide_padding(kernel, padding)


def _wide_padding(kernel: Sequence[int], padding: Sequence[int]) -> RuntimeError:
    text = "pad should be smaller than or equal to half of kernel size, but got"
    if len(kernel) == 3:
        order = [("T", 0), ("W", 2), ("H", 1)]
        parts = [f"k{x}: {kernel[i]}" for x, i in order] + [
            f"pad{x}: {padding[i]}" for x, i in order
        ]
        return RuntimeError(f"{text} {' '.join(parts)}")
    # torch pools one dimension as an image of height 1.
    (k_height, k_width), (p_height, p_width) = _image(kernel, 1), _image(padding, 0)
    return RuntimeError(
        f"{text} padW = {p_width}, padH = {p_height}, kW = {k_width}, kH = {k_height}"
    )


def _image(values: Sequence[int], height: int) -> tuple[int, int]:
    return (height, *values) if len(values) == 1 else tuple(values)


def _each(prefix: str, values: Sequence[int]) -> str:
    return " ".join(f"{prefix}{axis}: {v}" for axis, v in zip("THW"[-len(values) :], values))


def _check_range_max_values(kernel: int, stride: int, padding: int, dilation: int) -> None:
    for name, value in (("kernel_size", kernel), ("stride", stride)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            "max_pool1d() padding should be at most half of kernel size, "
            f"but got padding={padding} and kernel_size={kernel}"
        )
    if dilation <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {dilation}")


def _modes(n: int) -> str:
    return f"{n + 1}D or {n + 2}D (batch mode)"


def _rank_fits(n: int, input: Array) -> bool:
    return input.ndim in (n + 1, n + 2)


def _has_elements(input: Array, n: int) -> bool:
    return 0 not in input.shape[-n - 1 :]


def _expected(n: int, input: Array, title: str = "") -> RuntimeError:
    shape = list(input.shape)
    if n == 1 and not title:
        n, shape = 2, [*shape[:-1], 1, shape[-1]]
    return RuntimeError(
        f"{title}Expected {_modes(n)} tensor with optional 0 dim batch size for input, "
        f"but got:{shape}"
    )


def _empty_3d(title: str, input: Array) -> RuntimeError:
    return RuntimeError(
        f"{title}(): Expected input's non-batch dimensions to have positive length, "
        f"but input has a shape of {sizes(input)} and non-batch dimension 0 has length zero!"
    )


def max_input(n: int, input: Array) -> None:
    """Raises where the input's rank, size or type does not fit maximum pooling."""
    if not _rank_fits(n, input):
        if n == 1:
            raise _dimensions(n, input, "max_pool1d")
        raise RuntimeError(f"non-empty {_modes(n)} tensor expected for input")
    if not _has_elements(input, n):
        if n == 3:
            raise _empty_3d("max_pool3d_with_indices_out_cpu_template", input)
        raise _expected(n, input)
    if input.dtype.kind in "bc":
        raise not_implemented(f"max_pool{max(n, 2)}d", input)


def max_values_input(input: Array) -> None:
    """As `max_input`, for `max_pool1d` without indices."""
    if not _rank_fits(1, input) or not _has_elements(input, 1):
        raise _expected(1, input, "max_pool1d: ")
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise not_implemented("max_pool1d_impl", input)


def avg_input(n: int, input: Array) -> None:
    """Raises where the input's rank, size or type does not fit average pooling."""
    if not _rank_fits(n, input):
        if n == 1:
            raise _dimensions(n, input, "avg_pool1d")
        if n == 3:
            raise RuntimeError(f"non-empty {_modes(n)} tensor expected for input")
        if input.ndim < 3:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{input.ndim}, "
                f"{input.ndim - 1}], but got -3)"
            )
        raise _expected(n, input)
    if not _has_elements(input, n):
        raise _empty_3d("avg_pool3d", input) if n == 3 else _expected(n, input)
    if not (jnp.issubdtype(input.dtype, jnp.floating) or input.dtype.name == "int64"):
        raise not_implemented("avg_pool2d" if n < 3 else "avg_pool3d_out_frame", input)


def _dimensions(n: int, input: Array, title: str) -> RuntimeError:
    return RuntimeError(
        f"Expected {n + 1} to {n + 2} dimensions, but got {input.ndim}-dimensional tensor for "
        f"argument #1 'self' (while checking arguments for {title})"
    )


def room(kind: str, n: int, input: Array, geometry: tuple, out: Sequence[int]) -> None:
    """Raises where not one window fits."""
    if min(out) >= 1:
        return
    if kind == "max_values":
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {out[0]}")
    spatial = input.shape[-n:]
    if kind == "avg" and n == 3:
        raise RuntimeError(
            f"input image ({_each('', spatial)}) smaller than kernel size "
            f"({_each('k', geometry[0])})"
        )
    channels = input.shape[-n - 1]
    # torch pools one dimension as an image of height 1.
    lead = (channels, 1) if n == 1 else (channels,)
    before, after = ("x".join(map(str, (*lead, *s))) for s in (spatial, out))
    raise RuntimeError(
        f"Given input size: ({before}). Calculated output size: ({after}). Output size is too small"
    )


def output_size(kind: str, n: int, input: Array, size: int | Sequence[int]) -> tuple[int, ...]:
    """The output size of adaptive pooling as a tuple of `n`.

    Raises:
        RuntimeError, NotImplementedError: the size or the input does not fit.
    """
    title = f"adaptive_{kind}_pool{n}d"
    _check_integers(title, size)
    if not _rank_fits(n, input):
        if n == 1:
            raise _dimensions(n, input, title)
        colon = ":" if kind == "max" else ""
        raise RuntimeError(
            f"{title}(): Expected {n + 1}D or {n + 2}D tensor, but got{colon} {sizes(input)}"
        )
    out = (size,) * n if isinstance(size, int) else tuple(size)
    if len(out) != n:
        raise _wrong_output(kind, n, title, len(out))
    if min(out) < 0:
        raise _negative_output(kind, n, input, out)
    if 0 in input.shape[input.ndim - n :]:
        raise _empty_adaptive(kind, n, input)
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise not_implemented(
            f"adaptive_{kind}_pool3d_cpu" if n == 3 else f"adaptive_{kind}_pool2d", input
        )
    return out


def _check_integers(title: str, size: object) -> None:
    must = f"{title}(): argument 'output_size' (position 2) must be tuple of ints"
    if size is None:
        raise TypeError(f"{must}, not NoneType")
    if isinstance(size, tuple) and None in size:
        raise TypeError(f"{must}, but found element of type NoneType at pos {size.index(None)}")


def _empty_adaptive(kind: str, n: int, input: Array) -> RuntimeError:
    shape = list(input.shape)
    if kind == "avg" and n == 1:
        n, shape = 2, [*shape[:-1], 1, shape[-1]]
    dim = shape.index(0, len(shape) - n)
    return RuntimeError(
        f"adaptive_{kind}_pool{n}d(): Expected input to have non-zero size for non-batch "
        f"dimensions, but input has sizes {shape} with dimension {dim} being empty"
    )


def _wrong_output(kind: str, n: int, title: str, got: int) -> RuntimeError:
    if n == 1:
        return RuntimeError(f"{title}() argument 'output_size' should contain one int (got {got})")
    if kind == "avg":
        return RuntimeError(f"{title}: output_size must be {n}")
    return RuntimeError(f"{title}(): internal error: output_size.size() must be {n}")


def _negative_output(kind: str, n: int, input: Array, out: tuple[int, ...]) -> RuntimeError:
    if kind == "max":
        shape = [*input.shape[:-n], *((1,) if n == 1 else ()), *out]
        return RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {shape}")
    listed = ", ".join(map(str, (1, *out) if n == 1 else out))
    return RuntimeError(
        f"adaptive_avg_pool{max(n, 2)}d: elements of output_size must be greater than or equal to "
        f"0 but received {{{listed}}}"
    )
