"""Maximum, average and power-average pooling over windows, one to three dimensions at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops import _pooling_checks as checks
from torchcompat._ops._common import wide
from torchcompat._ops._registry import Array, op
from torchcompat._ops._windows import IN_BOUNDS, AdaptiveWindows, Windows, adaptive, count

Sizes = int | Sequence[int]
AnyWindows = Windows | AdaptiveWindows


def _batched(n: int, pool: Callable, input: Array) -> Array | tuple[Array, ...]:
    """`pool(input)`, with a batch dimension lent to an input that has none."""
    if input.ndim == n + 2:
        return pool(input)
    out = pool(input[None])
    return tuple(x[0] for x in out) if isinstance(out, tuple) else out[0]


# -- maximum -------------------------------------------------------------------------------------


def _lowest(x: Array) -> float:
    return -np.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min


def _max_pool(x: Array, windows: Sequence[AnyWindows]) -> tuple[Array, Array]:
    """The maxima and where they are in the flattened plane: the first of equals, or the last NaN.

    One dimension after the other, last one first, which keeps that order.
    """
    if not all(one.out for one in windows):
        out = (*x.shape[:2], *(one.out for one in windows))
        return jnp.zeros(out, x.dtype), jnp.zeros(out, jnp.int64)
    plane = x.shape[2:]
    index = jnp.arange(int(np.prod(plane)), dtype=jnp.int32).reshape(1, 1, *plane)
    for axis, one in reversed(list(enumerate(windows, 2))):
        along = _max_taps if one.unrolled() else _max_gather
        x, index = along(x, index, axis, one)
    return x, jnp.broadcast_to(index, x.shape).astype(jnp.int64)


def _max_taps(x: Array, index: Array, axis: int, windows: Windows) -> tuple[Array, Array]:
    first = (windows.positions() >= 0).argmax(axis=1)
    best = at = None
    values, places = windows.taps(x, axis, _lowest(x)), windows.taps(index, axis, 0)
    for element, (value, place) in enumerate(zip(values, places)):
        if best is None:
            best, at = value, place
            continue
        better = (value > best) | (value != value)
        if windows.pad:  # a window that holds nothing but -inf names its first element, not padding
            better |= (first == element).reshape(-1, *(1,) * (x.ndim - axis - 1))
        best, at = jnp.where(better, value, best), jnp.where(better, place, at)
    return best, at


def _max_gather(x: Array, index: Array, axis: int, windows: AnyWindows) -> tuple[Array, Array]:
    values = windows.gather(x, axis, _lowest(x))
    places = jnp.broadcast_to(windows.gather(index, axis, 0), values.shape)
    winner = jnp.expand_dims(lax.argmax(values, axis + 1, jnp.int32), axis + 1)
    return tuple(
        jnp.take_along_axis(one, winner, axis=axis + 1, mode=IN_BOUNDS).squeeze(axis + 1)
        for one in (values, places)
    )


def _sliding(x: Array, kernel, stride, padding, dilation, ceil_mode: bool) -> list[Windows]:
    sizes = x.shape[-len(kernel) :]
    return [
        Windows(size, k, s, p, d, count(size, k, s, p, d, ceil_mode))
        for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation)
    ]


def _make_max_pool(n: int) -> None:
    def indexed(
        input: Array,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
    ) -> tuple[Array, Array]:
        """`max_pool` that also tells where in the flattened plane each maximum is."""
        geometry = checks.geometry("max", n, kernel_size, stride, padding, dilation)
        checks.max_input(n, input)
        windows = _sliding(input, *geometry, ceil_mode)  # type: ignore[call-arg]
        checks.room("max", n, input, geometry, [w.out for w in windows])
        return _batched(n, lambda x: _max_pool(x, windows), input)

    def plain(
        input: Array,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
    ) -> Array:
        """The maximum of each window.

        Args:
            kernel_size, stride, padding, dilation: in elements, one for all dimensions or one each;
                the stride is the kernel size by default, padding counts as -inf.
            ceil_mode: also pool the window that starts inside and ends beyond.
        """
        if n == 1:
            _check_max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)
        return indexed(input, kernel_size, stride, padding, dilation, ceil_mode)[0]

    faces = ("torch",) if n == 1 else ()
    op(*faces, name=f"max_pool{n}d_with_indices")(indexed)
    op("torch", name=f"max_pool{n}d", grad=f"MaxPool{n}DWithIndicesBackward0")(plain)


def _check_max_pool1d(input: Array, kernel_size, stride, padding, dilation, ceil_mode) -> None:
    """Without indices torch runs another kernel in one dimension, with its own words."""
    geometry = checks.geometry("max_values", 1, kernel_size, stride, padding, dilation)
    checks.max_values_input(input)
    (windows,) = _sliding(input, *geometry, ceil_mode)  # type: ignore[call-arg]
    checks.room("max_values", 1, input, geometry, [windows.out])


def _make_adaptive_max_pool(n: int) -> None:
    def pool(input: Array, output_size: Sizes) -> tuple[Array, Array]:
        """The maximum of each of `output_size` even parts of the input, and where it is."""
        out = checks.output_size("max", n, input, output_size)
        windows = [adaptive(*pair) for pair in zip(input.shape[-n:], out)]
        return _batched(n, lambda x: _max_pool(x, windows), input)

    op("torch", name=f"adaptive_max_pool{n}d")(pool)


# -- average -------------------------------------------------------------------------------------


def _sum_pool(x: Array, windows: Sequence[AnyWindows]) -> Array:
    for axis, one in reversed(list(enumerate(windows, 2))):
        x = sum(one.taps(x, axis, 0)) if one.unrolled() else one.gather(x, axis, 0).sum(axis + 1)
    return x


def _avg_pool(x: Array, windows: Sequence[AnyWindows], padded: bool, divisor: int | None) -> Array:
    total = _sum_pool(wide(x), windows)
    if divisor is None:
        lengths = [one.lengths(padded) for one in windows]
        counts = np.prod(np.stack(np.meshgrid(*lengths, indexing="ij")), axis=0)
        divisor = np.maximum(counts, 1)
    divisor = jnp.broadcast_to(jnp.asarray(divisor, total.dtype), total.shape)
    return lax.div(total, divisor).astype(x.dtype)


def _average(n: int, input: Array, geometry, ceil_mode, count_include_pad, divisor) -> Array:
    windows = _sliding(input, *geometry, (1,) * n, ceil_mode)  # type: ignore[call-arg]
    checks.room("avg", n, input, (*geometry, (1,) * n), [w.out for w in windows])
    return _batched(n, lambda x: _avg_pool(x, windows, count_include_pad, divisor), input)


@op("torch", "functional", grad="AvgPool1DBackward0")
def avg_pool1d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of each window.

    Args:
        kernel_size, stride, padding: in elements; the stride is the kernel size by default.
        ceil_mode: also pool the window that starts inside and ends beyond.
        count_include_pad: count padding zeros as elements of the mean.

    Shape:
        input `(N, C, L)` or `(C, L)`; output `(N, C, L_out)` or `(C, L_out)`.
    """
    geometry = checks.geometry("avg", 1, kernel_size, stride, padding)
    checks.avg_input(1, input)
    return _average(1, input, geometry, ceil_mode, count_include_pad, None)


def _make_avg_pool(n: int) -> None:
    def pool(
        input: Array,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        """The mean of each window.

        Args:
            kernel_size, stride, padding: in elements, one for all dimensions or one each; the
                stride is the kernel size by default.
            ceil_mode: also pool the window that starts inside and ends beyond.
            count_include_pad: count padding zeros as elements of the mean.
            divisor_override: divide by this number instead.
        """
        geometry = checks.geometry("avg", n, kernel_size, stride, padding)
        checks.avg_input(n, input)
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        return _average(n, input, geometry, ceil_mode, count_include_pad, divisor_override)

    op("functional", name=f"avg_pool{n}d", grad=f"AvgPool{n}DBackward0")(pool)


def _make_adaptive_avg_pool(n: int) -> None:
    def pool(input: Array, output_size: Sizes) -> Array:
        """The mean of each of `output_size` even parts of the input."""
        out = checks.output_size("avg", n, input, output_size)
        windows = [adaptive(*pair) for pair in zip(input.shape[-n:], out)]
        return _batched(n, lambda x: _avg_pool(x, windows, False, None), input)

    faces = ("torch",) if n == 1 else ()
    op(*faces, name=f"adaptive_avg_pool{n}d", grad=f"AdaptiveAvgPool{n}DBackward0")(pool)


def _make_lp_pool(n: int) -> None:
    def pool(
        input: Array,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> Array:
        """The `norm_type`-norm of each window."""
        kernel, stride, padding = checks.geometry("avg", n, kernel_size, stride, 0)
        powers = jnp.power(input, norm_type)
        mean = _average(n, powers, (kernel, stride, padding), ceil_mode, True, None)
        positive = jnp.sign(mean) * jnp.where(mean != 0, jnp.abs(mean), 0)
        return jnp.power(positive * int(np.prod(kernel)), 1.0 / norm_type)

    op("functional", name=f"lp_pool{n}d")(pool)


for _n in (1, 2, 3):
    _make_max_pool(_n)
    _make_adaptive_max_pool(_n)
    _make_adaptive_avg_pool(_n)
    _make_lp_pool(_n)
    if _n > 1:
        _make_avg_pool(_n)
