"""ATen functions that have no public twin, or take their arguments in another way than it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._ops._common import wrap_dim
from torchcompat._tensor import _native, _twins, ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._indexing import index_put

__all__ = [
    "_chunk_cat",
    "_unsafe_masked_index",
    "_unsafe_masked_index_put_accumulate",
    "grid_sampler_2d",
    "grid_sampler_3d",
]


@lifted
def _chunk_cat(tensors: Sequence[Any], dim: int, num_chunks: int, *, out: Any = None) -> Any:
    """Each tensor filled up with zeros to `num_chunks` even parts along `dim`; the parts joined."""
    dim = _check_chunks(tensors, dim, num_chunks)
    parts = []
    for x in tensors:
        short = -x.shape[dim] % num_chunks
        filled = _native.constant_pad_nd(x, (0, 0) * (x.ndim - dim - 1) + (0, short))
        parts.append(filled.reshape(*x.shape[:dim], num_chunks, -1))
    return ops.cat(parts, dim + 1, out=out)


def _check_chunks(tensors: Sequence[Any], dim: int, num_chunks: int) -> int:
    """The dimension, counted from the front."""
    if num_chunks < 1:
        raise RuntimeError("_chunk_cat expects positive num_chunks")
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    if not all(x.numel() for x in tensors):
        raise RuntimeError("_chunk_cat expects non-empty tensor")
    ndims = {x.ndim for x in tensors}
    if dim < 0 and len(ndims) > 1:
        raise RuntimeError(
            "_chunk_cat expects non-negative dim when input tensors have different ndims"
        )
    dim = wrap_dim(dim, tensors[0].ndim) if dim < 0 else dim
    if dim >= min(ndims):
        raise RuntimeError("_chunk_cat expects dim < ndim for all input tensors")
    if any(x.shape[:dim] != tensors[0].shape[:dim] for x in tensors):
        raise RuntimeError(
            "_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors"
        )
    return dim


def _clamped(input: Any, indices: Sequence[Any]) -> list:
    return [
        i if i is None else i.clamp(-n, n - 1) for i, n in zip(indices, input.shape, strict=False)
    ]


@lifted
def _unsafe_masked_index(input: Any, mask: Any, indices: Sequence[Any], fill: Any) -> Any:
    """`input[indices]`, with `fill` where the mask does not hold."""
    return input[tuple(_slots(_clamped(input, indices)))].masked_fill(~mask, fill)


def _slots(indices: Sequence[Any]) -> list:
    return [slice(None) if i is None else i for i in indices]


@lifted
def _unsafe_masked_index_put_accumulate(
    input: Any, mask: Any, indices: Sequence[Any], values: Any
) -> Any:
    """`input` with `values` added at `indices` where the mask holds."""
    added = values.masked_fill(~mask, 0)
    found = _clamped(input, indices)
    if any(i is None for i in found):
        raise NotImplementedError("_unsafe_masked_index_put_accumulate: indices with None")
    return index_put(input, tuple(found), added, accumulate=True)


def grid_sampler_2d(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """`grid_sampler` of images."""
    return ops.grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """`grid_sampler` of volumes."""
    return ops.grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@lifted
def _max_pool2d_with_indices_backward(
    grad_output: Any,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Any,
) -> Any:
    """The gradient of `max_pool2d`: each window's goes to where its maximum was."""
    plane = (*input.shape[:-2], input.shape[-2] * input.shape[-1])
    flat = grad_output.new_zeros(plane)
    return flat.scatter_add(-1, indices.flatten(-2), grad_output.flatten(-2)).reshape(input.shape)


def _resized(name: str) -> Callable:
    @lifted
    def function(
        input: Any,
        output_size: Any,
        align_corners: bool,
        scale_factors: Any = None,
        scales_w: float | None = None,
        *,
        scales_h: float | None = None,
    ) -> Any:
        size, scales = output_size, (scales_h, scales_w)
        if isinstance(scale_factors, float):
            scales = (scale_factors, scales_w)
        elif scale_factors is not None:
            scales = tuple(scale_factors)
            size = [int(n * s) for n, s in zip(input.shape[2:], scales)]
        return getattr(ops, name)(input, tuple(size), align_corners, scales)

    function.__name__ = f"_{name}"
    return function


# name -> what `torch.ops.aten.name` calls.
ATEN: dict[str, Callable] = {
    "_batch_norm_with_update": _native._batch_norm_with_update,
    "_upsample_bicubic2d_aa": _resized("upsample_bicubic2d_aa"),
    "_upsample_bilinear2d_aa": _resized("upsample_bilinear2d_aa"),
    "alias": lambda x: x.view(x.shape),
    "max_pool2d_with_indices_backward": _max_pool2d_with_indices_backward,
    "native_dropout_backward": _native.native_dropout_backward,
    "slice": lifted(_twins.sliced),
}
