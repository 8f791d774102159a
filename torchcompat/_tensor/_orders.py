"""In which order of memory a result lies: that of its inputs, as torch's kernels leave it.

Elementwise ops keep the order of their inputs, so a transposed tensor stays transposed and can be viewed
as torch's can. Convolution, pooling and resizing keep channels last. Any other result is in order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat import _layout
from torchcompat._layout import Layout
from torchcompat._memory_format import channels_order, strides_in
from torchcompat._ops._registry import ROWS, Row
from torchcompat._tensor._cell import Cell
from torchcompat._tensor._tensor import Tensor, from_cell

ELEMENTWISE, CHANNELS = "elementwise", "channels"

# Rows that have an in-place form without being elementwise.
_IN_ORDER = frozenset(
    """addbmm addmm addmv baddbmm cumprod cumsum index_add index_copy index_reduce masked_fill
    masked_scatter multigammaln mvlgamma renorm scatter scatter_add scatter_reduce tril triu""".split()
)
# Elementwise rows that have no in-place form.
_ELEMENTWISE = frozenset(
    """_add _same _sub _to_copy airy_ai alpha_drop angle argsort bessel_j0 bessel_j1 bessel_y0 bessel_y1
    binary_cross_entropy binary_cross_entropy_with_logits chebyshev_polynomial_t chebyshev_polynomial_u
    chebyshev_polynomial_v chebyshev_polynomial_w complex diagonal_scatter drop entr erfcx expit flip
    fliplr flipud fmax fmin gammainc gammaincc gammaln gelu glu hardshrink hermite_polynomial_h
    hermite_polynomial_he hinge_embedding_loss huber_loss i0e i1 i1e isclose isfinite isinf isnan
    isneginf isposinf isreal kl_div l1_loss laguerre_polynomial_l legendre_polynomial_p
    local_response_norm log_ndtr logaddexp logaddexp2 maximum minimum modified_bessel_i0
    modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 mse_loss msort ndtr ndtri normalize polar
    polygamma prelu psi rsub scaled_modified_bessel_k0 scaled_modified_bessel_k1 select_scatter
    shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
    shifted_chebyshev_polynomial_w signbit slice_scatter smooth_l1_loss softplus softshrink softsign
    sort spherical_bessel_j0 tanhshrink where_op xlog1py zeta""".split()
)
_CHANNELS = frozenset(
    """adaptive_avg_pool2d adaptive_max_pool2d avg_pool2d batch_norm_eval batch_norm_train cat
    channel_shuffle conv2d conv3d conv_transpose2d max_pool2d max_pool2d_with_indices max_pool3d
    max_pool3d_with_indices max_unpool2d pad pixel_shuffle sync_batch_norm upsample_bicubic2d
    upsample_bicubic2d_aa upsample_bilinear2d upsample_bilinear2d_aa upsample_nearest2d
    upsample_nearest3d upsample_nearest_exact2d upsample_nearest_exact3d upsample_trilinear3d""".split()
)


def _order(row: Row) -> str | None:
    if row.name in _CHANNELS:
        return CHANNELS
    inplace = "inplace" in row.faces and row.view is None and row.name not in _IN_ORDER
    return ELEMENTWISE if inplace or row.name in _ELEMENTWISE else None


def arrange(tensor: Tensor, strides: tuple[int, ...]) -> Tensor:
    """Lays a fresh tensor (one that owns its storage) out with the given dense strides."""
    size = tuple(tensor.shape)
    if strides == _layout.contiguous_strides(size):
        return tensor
    value = packed = tensor._read()
    if not _layout.is_contiguous((size, strides, 0)):
        order = sorted(range(len(size)), key=lambda d: (-strides[d], -size[d]))
        packed = _transposed(value, order)
    arranged = from_cell(Cell(packed), size, strides)
    tensor._cell, tensor._layout = arranged._cell, arranged._layout
    tensor._cache, tensor._seen = value, packed
    return tensor


def _transposed(value: Any, order: list[int]) -> Any:
    if isinstance(value, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(tuple(value.shape[d] for d in order), value.dtype)
    with jax.enable_x64(True):
        return jnp.transpose(value, order)


def keep_order(row: Row, results: Iterable[Tensor], tensors: Sequence[Tensor]) -> None:
    """Lays the fresh results of an op out as torch would, given the tensors that it was called with."""
    for t in tensors:
        if t._layout is not None:
            break
    else:
        return
    held = tuple(t._layout_now() for t in tensors)
    for result in results:
        strides = _strides(row.order, tuple(result.shape), held)
        if strides is not None:
            arrange(result, strides)


@functools.lru_cache(4096)
def _strides(
    order: str | None, size: tuple[int, ...], held: tuple[Layout, ...]
) -> tuple[int, ...] | None:
    """The strides of a result of `size`; None where it lies in order."""
    if 0 in size:
        return None
    if order == ELEMENTWISE:
        return strides_in(_inner_first(size, held)[::-1], size)
    channels = channels_order(held[0])
    if channels is None or len(channels) != len(size):
        return None
    return strides_in(channels, size)


def _inner_first(size: tuple[int, ...], held: tuple[Layout, ...]) -> tuple[int, ...]:
    """The dimensions from the innermost in memory to the outermost.

    Inputs are asked in turn which of two dimensions has the longer steps; one that is broadcast
    along either has no say. Dimensions that no input tells apart stay in order.
    """
    steps = [_steps(size, one) for one in held if len(one[0]) <= len(size)]
    order: list[int] = []
    for dim in reversed(range(len(size))):
        place = len(order)
        order.append(dim)
        for i in reversed(range(place)):
            outer = _is_outer(order[i], dim, steps, size)
            if outer is False:
                break
            if outer:
                order[i], order[place] = dim, order[i]
                place = i
    return tuple(order)


def _steps(size: tuple[int, ...], held: Layout) -> list[int]:
    """The strides of an input along the result's dimensions; 0 where it is broadcast."""
    missing = len(size) - len(held[0])
    steps = [
        0 if n == 1 and size[i + missing] != 1 else s for i, (n, s) in enumerate(zip(*held[:2]))
    ]
    return [0] * missing + steps


def _is_outer(a: int, b: int, steps: list[list[int]], size: tuple[int, ...]) -> bool | None:
    """Whether dimension `a` lies outside of `b`; None where no input tells."""
    for one in steps:
        if 0 in (one[a], one[b]):
            continue
        if one[a] != one[b]:
            return one[a] > one[b]
        if size[a] > size[b]:
            return True
    return None


for _row in ROWS.values():
    _row.order = _order(_row)
