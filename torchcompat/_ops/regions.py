"""Pooling of image regions (regions of interest) to a fixed size, as detection models use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._errors import not_implemented
from torchcompat._ops._registry import Array, op

# Regions are worked on so many at a time: what they sample is held all at once.
_TOGETHER = 16


class _Tap(NamedTuple):
    """The two neighbours of each sampling position along one dimension, and their weights."""

    low: Array
    high: Array
    low_weight: Array
    high_weight: Array


def _check(input: Array, rois: Array, text: str = "rois must have shape as Tensor[K, 5]") -> None:
    if rois.ndim != 2 or rois.shape[1] != 5:
        raise RuntimeError(text)
    if input.dtype != rois.dtype:
        raise RuntimeError(
            "Expected tensor for input to have the same type as tensor for rois; but type "
            f"{_title(input)} does not equal {_title(rois)}"
        )


def _title(x: Array) -> str:
    return f"torch.{x.dtype.name}"


def _check_channels(input: Array, height: int, width: int) -> None:
    if input.shape[1] % (height * width):
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")


def _each(function: Callable, rois: Array) -> Array:
    """`function` of every region, a few at a time."""
    return lax.map(function, rois, batch_size=_TOGETHER)


def _axis(start: Array, length: Array, bins: int, ratio: int, bound: int) -> tuple[Array, Array]:
    """Sampling positions `(bins, bound)` along one dimension of a region, and how many count.

    Args:
        ratio: samples a bin; 0 or less for one about every element.
        bound: the most samples a bin that any region takes.
    """
    size = length / bins
    grid = jnp.full((), ratio, size.dtype) if ratio > 0 else jnp.ceil(size)
    steps = jnp.arange(bound, dtype=size.dtype)
    inside = jnp.where(steps < grid, (steps + 0.5) * size / jnp.maximum(grid, 1), jnp.nan)
    bins_at = jnp.arange(bins, dtype=size.dtype)[:, None] * size
    return start + bins_at + inside, grid


def _taps(position: Array, length: int) -> _Tap:
    """The neighbours of positions, which count from -1 to `length`; others have no weight."""
    valid = (position >= -1) & (position <= length)
    place = jnp.clip(jnp.where(valid, position, 0), 0, length - 1)
    low = jnp.floor(place).astype(jnp.int32)
    share = place - low
    high = jnp.minimum(low + 1, length - 1)
    return _Tap(low, high, jnp.where(valid, 1 - share, 0), jnp.where(valid, share, 0))


def _sampled(image: Array, y: _Tap, x: _Tap) -> Array:
    """Bilinear samples of `image (H, W, C)`, summed over each bin: `(bins_y, bins_x, C)`."""
    total = jnp.zeros((), image.dtype)
    for rows, row_weight in ((y.low, y.low_weight), (y.high, y.high_weight)):
        for columns, column_weight in ((x.low, x.low_weight), (x.high, x.high_weight)):
            picked = image[rows[:, :, None, None], columns[None, None]]
            weight = row_weight[:, :, None, None] * column_weight[None, None]
            total = total + (picked * weight[..., None]).sum((1, 3))
    return total


def _extent(roi: Array, scale: float, shift: float) -> tuple[Array, Array, Array, Array]:
    """Left, top, width and height of a region, in elements of the image."""
    left, top, right, bottom = roi[1:] * scale - shift
    return left, top, right - left, bottom - top


def grid_bounds(rois: Array, scale: float, height: int, width: int) -> tuple[int, int]:
    """The most samples a bin that any of these regions asks for, down and across, as powers of two.

    Args:
        rois: known regions, `(K, 5)`.
    """
    if not len(rois):
        return 1, 1
    down = float((rois[:, 4] - rois[:, 2]).max()) * scale / height
    across = float((rois[:, 3] - rois[:, 1]).max()) * scale / width
    return _power(max(down, 1 / height)), _power(max(across, 1 / width))


def _power(least: float) -> int:
    power = 1
    while power < least + 1e-3:
        power *= 2
    return power


@op(name="roi_align", grad="RoiAlignBackward")
def roi_align(
    input: Array,
    rois: Array,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
    bounds: tuple[int, int] | None = None,
) -> Array:
    """Averages of bilinear samples over the bins of each region.

    Args:
        rois: regions `(K, 5)`: index of the image, then left, top, right, bottom.
        spatial_scale: elements of `input` a unit of `rois`.
        sampling_ratio: samples a bin along each dimension; 0 or less for about one every element.
        aligned: whether coordinates are shifted by half an element.
        bounds: with `sampling_ratio <= 0`, the most samples a bin, down and across.

    Shape:
        input `(N, C, H, W)`; output `(K, C, pooled_height, pooled_width)`.

    Source:
        He et al., "Mask R-CNN", section 3.
    """
    _check(input, rois)
    images, rois = jnp.moveaxis(wide(input), 1, -1), wide(lax.stop_gradient(rois))
    height, width = input.shape[2:]
    bounds = _bounds(sampling_ratio, bounds, height, width)

    def pooled(roi: Array) -> Array:
        left, top, across, down = _extent(roi, spatial_scale, 0.5 if aligned else 0.0)
        if not aligned:
            across, down = jnp.maximum(across, 1), jnp.maximum(down, 1)
        y, rows = _axis(top, down, pooled_height, sampling_ratio, bounds[0])
        x, columns = _axis(left, across, pooled_width, sampling_ratio, bounds[1])
        total = _sampled(images[roi[0].astype(jnp.int32)], _taps(y, height), _taps(x, width))
        return total / jnp.maximum(jnp.maximum(rows, 0) * jnp.maximum(columns, 0), 1)

    return jnp.moveaxis(_each(pooled, rois), -1, 1).astype(input.dtype)


def _bounds(ratio: int, bounds: tuple | None, height: int, width: int) -> tuple[int, int]:
    if ratio > 0:
        return ratio, ratio
    return (height, width) if bounds is None else bounds


@op(name="ps_roi_align", grad="PsRoiAlignBackward")
def ps_roi_align(
    input: Array,
    rois: Array,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    bounds: tuple[int, int] | None = None,
) -> tuple[Array, Array]:
    """Like `roi_align`, each bin from channels of its own; and the channels that were used.

    Shape:
        input `(N, C * pooled_height * pooled_width, H, W)`; both outputs
        `(K, C, pooled_height, pooled_width)`.

    Source:
        Li et al., "Light-Head R-CNN".
    """
    _check(input, rois)
    _check_channels(input, pooled_height, pooled_width)
    images, rois = jnp.moveaxis(wide(input), 1, -1), wide(lax.stop_gradient(rois))
    height, width = input.shape[2:]
    bounds = _bounds(sampling_ratio, bounds, height, width)

    def pooled(roi: Array) -> Array:
        left, top, across, down = _extent(roi, spatial_scale, 0.5)
        y, rows = _axis(top, down, pooled_height, sampling_ratio, bounds[0])
        x, columns = _axis(left, across, pooled_width, sampling_ratio, bounds[1])
        total = _sampled(images[roi[0].astype(jnp.int32)], _taps(y, height), _taps(x, width))
        return _own_channels(total) / (rows * columns)

    result = _each(pooled, rois).astype(input.dtype)
    return result, _channel_mapping(result.shape)


def _own_channels(bins: Array) -> Array:
    """Of `(bins_y, bins_x, C)`, for each bin the channels that belong to it: `(C_out, y, x)`."""
    height, width, channels = bins.shape
    split = bins.reshape(height, width, channels // (height * width), height, width)
    rows, columns = jnp.arange(height)[:, None], jnp.arange(width)[None]
    return jnp.moveaxis(split[rows, columns, :, rows, columns], -1, 0)


def _channel_mapping(shape: tuple[int, ...]) -> Array:
    count = shape[1] * shape[2] * shape[3]
    return jnp.broadcast_to(jnp.arange(count, dtype=jnp.int32).reshape(shape[1:]), shape)


def _rounded(roi: Array, scale: float) -> Array:
    """A region's sides in whole elements; halves away from zero."""
    sides = roi[1:] * scale
    return jnp.trunc(sides + jnp.where(sides < 0, -0.5, 0.5))


def _spans(start: Array, length: Array, bins: int, limit: int) -> tuple[Array, Array]:
    """First element of each bin along one dimension, and the first one after it."""
    size = length / bins
    places = jnp.arange(bins, dtype=size.dtype)
    first = jnp.clip(jnp.floor(places * size) + start, 0, limit)
    return first, jnp.clip(jnp.ceil((places + 1) * size) + start, 0, limit)


def _covered(spans: tuple[Array, Array], length: int) -> Array:
    """Which of `length` elements each bin covers: `(bins, length)`."""
    places = jnp.arange(length, dtype=spans[0].dtype)
    return (places >= spans[0][:, None]) & (places < spans[1][:, None])


def _require_float(name: str, input: Array) -> None:
    if input.dtype.name not in ("float32", "float64"):
        raise not_implemented(name, input)


@op(name="roi_pool", grad="RoiPoolBackward")
def roi_pool(
    input: Array, rois: Array, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[Array, Array]:
    """The largest element of each bin of each region, and its place in the image (-1 for none).

    Args:
        rois: regions `(K, 5)`: index of the image, then left, top, right, bottom.
        spatial_scale: elements of `input` a unit of `rois`.

    Shape:
        input `(N, C, H, W)`; both outputs `(K, C, pooled_height, pooled_width)`.

    Source:
        Girshick, "Fast R-CNN", section 2.1.
    """
    _check(input, rois)
    _require_float("roi_pool", input)
    height, width = input.shape[2:]
    fixed, rois = lax.stop_gradient(input), lax.stop_gradient(rois)
    lowest = jnp.finfo(input.dtype).min

    def places(roi: Array) -> Array:
        left, top, right, bottom = _rounded(roi, spatial_scale)
        down, across = jnp.maximum(bottom - top + 1, 1), jnp.maximum(right - left + 1, 1)
        rows = _covered(_spans(top, down, pooled_height, height), height)
        columns = _covered(_spans(left, across, pooled_width, width), width)
        image = fixed[roi[0].astype(jnp.int32)]
        of_rows = jnp.where(columns[:, None, None], image, lowest)  # (x, C, H, W)
        at = jnp.argmax(of_rows, -1)
        best = jnp.where(rows[:, None, None], of_rows.max(-1), lowest)  # (y, x, C, H)
        row = jnp.argmax(best, -1)
        column = jnp.take_along_axis(jnp.broadcast_to(at, best.shape), row[..., None], -1)[..., 0]
        filled = rows.any(1)[:, None] & columns.any(1)
        found = jnp.where(filled[..., None] & (best.max(-1) > lowest), row * width + column, -1)
        return jnp.moveaxis(found, -1, 0).astype(jnp.int32)

    place = lax.map(places, rois, batch_size=1)
    images = input.reshape(*input.shape[:2], -1)[rois[:, 0].astype(jnp.int32)]
    flat = place.reshape(*place.shape[:2], -1)
    picked = jnp.take_along_axis(images, jnp.maximum(flat, 0), -1).reshape(place.shape)
    return jnp.where(place < 0, 0, picked), place


@op(name="ps_roi_pool", grad="PsRoiPoolBackward")
def ps_roi_pool(
    input: Array, rois: Array, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[Array, Array]:
    """The mean of each bin of each region, each bin from channels of its own; and the channels.

    As in torchvision, the last row and column of the image take part in the gradient only.

    Shape:
        input `(N, C * pooled_height * pooled_width, H, W)`; both outputs
        `(K, C, pooled_height, pooled_width)`.

    Source:
        Dai et al., "R-FCN", section 2.
    """
    _check(input, rois, "Tensor rois should have shape as Tensor[K, 5]")
    _check_channels(input, pooled_height, pooled_width)
    _require_float("ps_roi_pool", input)
    height, width = input.shape[2:]
    rois = lax.stop_gradient(rois)

    def means(roi: Array, image: Array, margin: int) -> Array:
        left, top, right, bottom = _rounded(roi, spatial_scale)
        down, across = jnp.maximum(bottom - top, 1), jnp.maximum(right - left, 1)
        rows = _covered(_spans(top, down, pooled_height, height - margin), height)
        columns = _covered(_spans(left, across, pooled_width, width - margin), width)
        total = jnp.einsum(
            "yh,xw,chw->yxc", rows.astype(image.dtype), columns.astype(image.dtype), image
        )
        area = (rows.sum(1)[:, None] * columns.sum(1))[..., None]
        return _own_channels(total / jnp.maximum(area, 1))

    def pooled(roi: Array) -> Array:
        image = input[roi[0].astype(jnp.int32)]
        linear = means(roi, image, 0)
        return lax.stop_gradient(means(roi, image, 1)) + (linear - lax.stop_gradient(linear))

    result = _each(pooled, rois)
    return result, _channel_mapping(result.shape)


@op(name="nms_keep", differentiable=False)
def nms_keep(dets: Array, scores: Array, iou_threshold: float) -> tuple[Array, Array]:
    """Boxes from the best score to the worst, and which of them no better one suppresses.

    Returns:
        The boxes' places in order of their scores, and for each whether it is kept.
    """
    check_boxes(dets, scores)
    if not dets.size:
        return jnp.zeros(0, jnp.int64), jnp.zeros(0, bool)
    order = jnp.argsort(-scores, stable=True)
    boxes = dets[order]
    left, top, right, bottom = boxes.T
    areas = (right - left) * (bottom - top)
    places = jnp.arange(len(boxes))

    def step(i: Array, kept: Array) -> Array:
        across = jnp.minimum(right[i], right) - jnp.maximum(left[i], left)
        down = jnp.minimum(bottom[i], bottom) - jnp.maximum(top[i], top)
        common = jnp.maximum(across, 0) * jnp.maximum(down, 0)
        overlap = common / (areas[i] + areas - common)
        return kept & ~(kept[i] & (places > i) & (overlap > iou_threshold))

    kept = lax.fori_loop(0, len(boxes), step, jnp.ones(len(boxes), bool))
    return order, kept


def check_boxes(dets: Array, scores: Array) -> None:
    """Raises torchvision's errors for boxes and scores of the wrong shapes or types."""
    if dets.ndim != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {dets.ndim}D")
    if dets.shape[1] != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {dets.shape[1]}")
    if scores.ndim != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.ndim}D")
    if dets.shape[0] != scores.shape[0]:
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, got "
            f"{dets.shape[0]} and {scores.shape[0]}"
        )
    if dets.dtype != scores.dtype:
        raise RuntimeError("dets should have the same type as scores")
