"""The gradients of torchvision's ops as ops of their own, under the names that torchvision gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat._ops import deformable, regions
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import as_array, wrap


def _pulled(function: Callable, grad: Any, *inputs: Any) -> list:
    """The gradients of `function` for its inputs, given that of its result."""
    with jax.enable_x64(True):
        _, pull = jax.vjp(function, *map(as_array, inputs))
        return [wrap(one) for one in pull(as_array(grad))]


def _of_image(function: Callable, grad: Any, size: tuple[int, ...]) -> Any:
    """The gradient of a function that is linear in an image of this size."""
    with jax.enable_x64(True):
        image = jnp.zeros(size, as_array(grad).dtype)
    return _pulled(function, grad, image)[0]


def _check_types(grad: Any, rois: Any) -> None:
    if grad.dtype != rois.dtype:
        raise RuntimeError(
            "Expected tensor for grad to have the same type as tensor for rois; but type "
            f"{grad.dtype} does not equal {rois.dtype}"
        )


@lifted
def _roi_align_backward(
    grad: Any, rois: Any, spatial_scale: float, pooled_height: int, pooled_width: int,
    batch_size: int, channels: int, height: int, width: int, sampling_ratio: int, aligned: bool,
) -> Any:  # fmt: skip
    """The gradient of `roi_align` for its input `(batch_size, channels, height, width)`."""
    _check_types(grad, rois)
    options = (spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned)
    return _of_image(
        lambda x: regions.roi_align(x, as_array(rois), *options),
        grad,
        (batch_size, channels, height, width),
    )


@lifted
def _ps_roi_align_backward(
    grad: Any, rois: Any, channel_mapping: Any, spatial_scale: float, pooled_height: int,
    pooled_width: int, sampling_ratio: int, batch_size: int, channels: int, height: int, width: int,
) -> Any:  # fmt: skip
    """The gradient of `ps_roi_align` for its input."""
    _check_types(grad, rois)
    options = (spatial_scale, pooled_height, pooled_width, sampling_ratio)
    return _of_image(
        lambda x: regions.ps_roi_align(x, as_array(rois), *options)[0],
        grad,
        (batch_size, channels, height, width),
    )


@lifted
def _ps_roi_pool_backward(
    grad: Any, rois: Any, channel_mapping: Any, spatial_scale: float, pooled_height: int,
    pooled_width: int, batch_size: int, channels: int, height: int, width: int,
) -> Any:  # fmt: skip
    """The gradient of `ps_roi_pool` for its input."""
    _check_types(grad, rois)
    options = (spatial_scale, pooled_height, pooled_width)
    return _of_image(
        lambda x: regions.ps_roi_pool(x, as_array(rois), *options)[0],
        grad,
        (batch_size, channels, height, width),
    )


@lifted
def _roi_pool_backward(
    grad: Any, rois: Any, argmax: Any, spatial_scale: float, pooled_height: int, pooled_width: int,
    batch_size: int, channels: int, height: int, width: int,
) -> Any:  # fmt: skip
    """The gradient of `roi_pool` for its input: each bin's goes to the place that was largest."""
    _check_types(grad, rois)
    with jax.enable_x64(True):
        given, place = as_array(grad), as_array(argmax)
        image = as_array(rois)[:, 0].astype(jnp.int32)[:, None, None, None]
        channel = jnp.arange(channels)[:, None, None]
        # Bins without any element point past the end and are dropped.
        place = jnp.where(place < 0, height * width, place)
        total = jnp.zeros((batch_size, channels, height * width), given.dtype)
        total = total.at[image, channel, place].add(given, mode="drop")
        return wrap(total.reshape(batch_size, channels, height, width))


@lifted
def _deform_conv2d_backward(
    grad: Any, input: Any, weight: Any, offset: Any, mask: Any, bias: Any, *options: Any
) -> Any:
    """The gradients of `deform_conv2d` for its five tensors."""

    def run(*tensors: Any) -> Any:
        return deformable.deform_conv2d(*tensors, *options)

    return tuple(_pulled(run, grad, input, weight, offset, mask, bias))


BACKWARD = {
    one.__name__: one
    for one in (
        _roi_align_backward,
        _ps_roi_align_backward,
        _ps_roi_pool_backward,
        _roi_pool_backward,
        _deform_conv2d_backward,
    )
}
