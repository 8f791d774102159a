"""Sampling of images and volumes at the positions of a grid, and the grids of affine maps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._errors import not_implemented, scalar, sizes
from torchcompat._ops._registry import Array, op
from torchcompat._ops._rounding import Rounding, rounding

INTERPOLATION = {"bilinear": 0, "nearest": 1, "bicubic": 2}
PADDING = {"zeros": 0, "border": 1, "reflection": 2}


class _Tap(NamedTuple):
    """What one dimension contributes to an element of the neighbourhood, for each grid position.

    Attributes:
        place: the element's position, a whole number of floating-point type.
        weight: its weight.
    """

    place: Array
    weight: Array


@op(
    "torch",
    aliases=("grid_sampler_2d", "grid_sampler_3d"),
    grad=lambda input, grid: f"GridSampler{input - 2}DBackward0",
)
def grid_sampler(
    input: Array, grid: Array, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Array:
    """The input's values at the grid's positions.

    Args:
        interpolation_mode: 0 for (bi-, tri-)linear, 1 for nearest, 2 for bicubic (4D).
        padding_mode: what lies outside: 0 for zeros, 1 for the border, 2 for the reflected input.
        align_corners: whether -1 and 1 are the centres of the outermost elements, not their edges.

    Shape:
        input `(N, C, H, W)` or `(N, C, D, H, W)`; grid `(N, *out, 2)` or `(N, *out, 3)`, the width
        first; output `(N, C, *out)`.
    """
    _check(input, grid, interpolation_mode)
    x, spatial, rounded = wide(input), input.shape[2:], rounding(input.dtype)
    parts = reversed(jnp.moveaxis(wide(grid), -1, 0))
    locate = _unnormalized if input.ndim == 4 else _unnormalized_volume
    positions = [locate(p, n, align_corners, rounded) for p, n in zip(parts, spatial)]
    if interpolation_mode == 2:
        taps = [
            _cubic(p, n, padding_mode, align_corners, rounded) for p, n in zip(positions, spatial)
        ]
    else:
        rule = _nearest if interpolation_mode else _linear
        taps = [
            rule(_padded(p, n, padding_mode, align_corners)) for p, n in zip(positions, spatial)
        ]
    return _collected(x, taps).astype(input.dtype)


def _unnormalized(position: Array, size: int, align_corners: bool, rounded: Rounding) -> Array:
    """Positions in [-1, 1] as positions in elements."""
    length = size - 1 if align_corners else size
    scaled = rounded(rounded(position + 1) * (length / 2))
    return scaled if align_corners else rounded(scaled - 0.5)


def _unnormalized_volume(
    position: Array, size: int, align_corners: bool, rounded: Rounding
) -> Array:
    """The same in the order in which torch's kernel for volumes computes it."""
    moved = rounded(position + 1)
    if align_corners:
        return rounded(rounded(moved / 2) * (size - 1))
    return rounded(rounded(rounded(moved * size) - 1) / 2)


def _padded(position: Array, size: int, padding_mode: int, align_corners: bool) -> Array:
    """Positions moved inside, as the padding mode has it."""
    if padding_mode == 0:
        return position
    if padding_mode == 2:
        ends = (0, 2 * (size - 1)) if align_corners else (-1, 2 * size - 1)
        position = _reflected(position, *ends)
    # the gradient of a position on the border is 0, as outside
    inside = (position > 0) & (position < size - 1)
    return jnp.where(inside, position, jnp.where(position > 0, size - 1, 0))


def _reflected(position: Array, twice_low: int, twice_high: int) -> Array:
    """Positions reflected at both ends until they lie between them."""
    if twice_low == twice_high:
        return jnp.zeros_like(position)
    low, span = twice_low / 2, (twice_high - twice_low) / 2
    away = position - low
    away = jnp.where(away < 0, -away, away)
    rest = lax.rem(away, jnp.full_like(away, span))
    even = jnp.floor(away / span) % 2 == 0
    return jnp.where(even, rest, span - rest) + low


def _nearest(position: Array) -> list[_Tap]:
    place = jnp.round(position)
    return [_Tap(place, jnp.ones_like(place))]


def _linear(position: Array) -> list[_Tap]:
    before = jnp.floor(position)
    return [_Tap(before, before + 1 - position), _Tap(before + 1, position - before)]


def _cubic(
    position: Array, size: int, padding_mode: int, align_corners: bool, rounded: Rounding
) -> list[_Tap]:
    """Keys' four taps with a = -3/4; here the elements themselves are moved inside."""
    before = jnp.floor(position)
    way = rounded(position - before)
    weights = (
        _horner(rounded(way + 1), _FAR, rounded),
        _horner(way, _NEAR, rounded),
        _horner(rounded(1 - way), _NEAR, rounded),
        _horner(rounded(2 - way), _FAR, rounded),
    )
    return [
        _Tap(_padded(before + offset, size, padding_mode, align_corners), weight)
        for offset, weight in zip((-1, 0, 1, 2), weights)
    ]


# The kernel at distances below and above 1, highest power first.
_NEAR = (1.25, -2.25, 0.0, 1.0)
_FAR = (-0.75, 3.75, -6.0, 3.0)


def _horner(x: Array, coefficients: Sequence[float], rounded: Rounding) -> Array:
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = rounded(rounded(value * x) + coefficient)
    return value


def _collected(x: Array, taps: list[list[_Tap]]) -> Array:
    """The weighted sum over the neighbourhood; elements outside count as 0."""
    spatial = x.shape[2:]
    flat = x.reshape(*x.shape[:2], math.prod(spatial))
    total = None
    for corner in itertools.product(*taps):
        inside = [(t.place >= 0) & (t.place <= n - 1) for t, n in zip(corner, spatial)]
        index = 0
        for tap, ok, size in zip(corner, inside, spatial):
            index = index * size + jnp.where(ok, tap.place, 0).astype(jnp.int32)
        weight = math.prod(tap.weight for tap in corner)
        value = jnp.where(math.prod(inside)[:, None], _gathered(flat, index), 0)  # type: ignore[index]
        term = value * weight[:, None]  # type: ignore[index]
        total = term if total is None else total + term
    return total


def _gathered(flat: Array, index: Array) -> Array:
    """`flat` `(N, C, P)` at `index` `(N, *out)`, as `(N, C, *out)`."""

    def one(plane: Array, where: Array) -> Array:
        return plane.at[:, where].get(mode="promise_in_bounds", wrap_negative_indices=False)

    return jax.vmap(one)(flat, index)


def _check(input: Array, grid: Array, interpolation_mode: int) -> None:
    title = "grid_sampler(): expected"
    if input.shape[:1] != grid.shape[:1]:
        raise RuntimeError(
            f"{title} grid and input to have same batch size, but got input with sizes "
            f"{sizes(input)} and grid with sizes {sizes(grid)}"
        )
    if grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(
            f"{title} grid to have size {input.ndim - 2} in last dimension, but got grid with "
            f"sizes {sizes(grid)}"
        )
    for dim in range(2, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                f"{title} input to have non-empty spatial dimensions, but input has sizes "
                f"{sizes(input)} with dimension {dim} being empty"
            )
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        raise RuntimeError(
            f"{title} 4D or 5D input and grid with same number of dimensions, but got input with "
            f"sizes {sizes(input)} and grid with sizes {sizes(grid)}"
        )
    if input.ndim == 5 and interpolation_mode == 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise not_implemented(f"grid_sampler_{input.ndim - 2}d_cpu_kernel_impl", input)
    if input.dtype != grid.dtype:
        raise RuntimeError(f"expected scalar type {scalar(input)} but found {scalar(grid)}")


@op("torch")
def affine_grid_generator(theta: Array, size: Sequence[int], align_corners: bool) -> Array:
    """The positions that affine maps send the elements of an output to.

    Args:
        size: of the output that is to be sampled, `(N, C, *out)`.
        align_corners: as in `grid_sampler`.

    Shape:
        theta `(N, 2, 3)` or `(N, 3, 4)`; output `(N, *out, 2)` or `(N, *out, 3)`.
    """
    if theta.shape[0] != size[0]:
        shown, count = (
            list(s) for s in ((size[0], len(size) - 1), (theta.shape[0], theta.shape[2]))
        )
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {shown} "
            f"but got: {count}."
        )
    axes = [_centers(n, align_corners) for n in size[2:]]
    grids = np.meshgrid(*axes, indexing="ij")
    base = np.stack([*reversed(grids), np.ones_like(grids[0])], axis=-1)
    base = wide(jnp.asarray(base).astype(theta.dtype))
    out = jnp.einsum("...k,njk->n...j", base, wide(theta), precision=lax.Precision.HIGHEST)
    return out.astype(theta.dtype)


def _centers(size: int, align_corners: bool) -> np.ndarray:
    """The centres of `size` elements in [-1, 1]."""
    if size == 1:
        return np.zeros(1)
    steps = np.linspace(-1, 1, size)
    return steps if align_corners else steps * (size - 1) / size
