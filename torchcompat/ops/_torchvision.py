"""`torch.ops.torchvision`: the ops that torchvision compiles, on our tensors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from torchcompat._ops._checks import values_of
from torchcompat._ops.regions import check_boxes, grid_bounds
from torchcompat._tensor import Tensor, ops, wrap
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._place import put
from torchcompat.ops._torchvision_backward import BACKWARD


def _known(tensor: Tensor) -> bool:
    return not isinstance(tensor._read(), (jax.core.Tracer, jax.ShapeDtypeStruct))


def _bounds(rois: Tensor, scale: float, height: int, width: int, ratio: int) -> Any:
    """The most samples a bin that these regions take, where they are known and it is not given."""
    if ratio > 0 or not _known(rois) or rois.ndim != 2 or rois.shape[1] != 5:
        return None
    return grid_bounds(np.asarray(rois._read(), np.float64), scale, height, width)


@lifted
def nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Places of the boxes that no better-scored box overlaps by more than `iou_threshold`.

    Raises:
        NotImplementedError: JAX is tracing: how many are kept depends on values. `nms_padded` has a
            fixed size.
    """
    check_boxes(dets._read(), scores._read())
    values_of("torchvision::nms (nms_padded has a fixed size)", dets._read())
    order, kept = ops.nms_keep(dets.detach(), scores.detach(), iou_threshold)
    chosen = np.asarray(order._read())[np.asarray(kept._read())]
    return put(chosen.astype(np.int64), dets.device)


@lifted
def nms_padded(dets: Any, scores: Any, iou_threshold: float, size: int) -> Any:
    """`nms` of a fixed size, for use under `compile` and `jit`; torchvision has no such op.

    Args:
        size: number of places to return.

    Returns:
        The places, filled up with -1, and how many of them count.
    """
    order, kept = ops.nms_keep(dets.detach(), scores.detach(), iou_threshold)
    with jax.enable_x64(True):
        order_now, kept_now = order._read(), kept._read()
        (at,) = jax.numpy.nonzero(kept_now, size=size, fill_value=-1)
        chosen = jax.numpy.where(at < 0, -1, order_now[at]).astype(np.int64)
        return wrap(chosen), wrap(jax.numpy.minimum(kept_now.sum(), size).astype(np.int64))


@lifted
def roi_align(
    input: Any,
    rois: Any,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Any:
    """Averages of bilinear samples over the bins of each region (`_ops/regions.py`)."""
    bounds = _bounds(rois, spatial_scale, pooled_height, pooled_width, sampling_ratio)
    return ops.roi_align(
        input, rois.detach(), spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned,
        bounds,
    )  # fmt: skip


@lifted
def roi_pool(
    input: Any, rois: Any, spatial_scale: float, pooled_height: int, pooled_width: int
) -> Any:
    """The largest element of each bin of each region, and its place."""
    return tuple(ops.roi_pool(input, rois.detach(), spatial_scale, pooled_height, pooled_width))


@lifted
def ps_roi_align(
    input: Any,
    rois: Any,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
) -> Any:
    """Like `roi_align`, each bin from channels of its own; and the channels."""
    bounds = _bounds(rois, spatial_scale, pooled_height, pooled_width, sampling_ratio)
    return tuple(
        ops.ps_roi_align(
            input, rois.detach(), spatial_scale, pooled_height, pooled_width, sampling_ratio, bounds
        )
    )


@lifted
def ps_roi_pool(
    input: Any, rois: Any, spatial_scale: float, pooled_height: int, pooled_width: int
) -> Any:
    """The mean of each bin of each region, each bin from channels of its own; and the channels."""
    return tuple(ops.ps_roi_pool(input, rois.detach(), spatial_scale, pooled_height, pooled_width))


def _cuda_version() -> int:
    """-1: these ops were not built against CUDA."""
    return -1


def _absent(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"torchvision::{name} is not supported")

    refuse.__name__ = name
    return refuse


FUNCTIONS = {
    "nms": nms,
    "nms_padded": nms_padded,
    "roi_align": roi_align,
    "roi_pool": roi_pool,
    "ps_roi_align": ps_roi_align,
    "ps_roi_pool": ps_roi_pool,
    "deform_conv2d": ops.deform_conv2d,
    "_cuda_version": _cuda_version,
    **BACKWARD,
    **{name: _absent(name) for name in ("qnms", "qroi_align", "box_iou_rotated")},
}
