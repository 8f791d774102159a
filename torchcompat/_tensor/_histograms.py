"""`histogram` and `histogramdd`: counts of points in the cells of a grid, and the grid's edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchcompat._dtype import scalar_name
from torchcompat._ops._checks import values_of
from torchcompat._ops._errors import cpp_name
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted, return_type
from torchcompat._tensor._faces import into
from torchcompat._tensor._steps import linspace
from torchcompat._tensor._tensor import Tensor

__all__ = ["histogram", "histogramdd"]

_NAME = "torch.histogramdd"
_Histogram = return_type("histogram", ("hist", "bin_edges"))
_Histogramdd = return_type("histogramdd", ("hist", "bin_edges"))


def _check(points: Any, weight: Any) -> None:
    if points.ndim < 2:
        raise RuntimeError(f"{_NAME}: input tensor should have at least 2 dimensions")
    if weight is None:
        return
    if weight.shape != points.shape[:-1]:
        raise RuntimeError(
            f"{_NAME}: if weight tensor is provided it should have the same shape as the input "
            "tensor excluding its innermost dimension, but got input with shape "
            f"{list(points.shape)} and weight with shape {list(weight.shape)}"
        )
    if weight.dtype is not points.dtype:
        raise RuntimeError(
            f"{_NAME}: if weight tensor is provided, input tensor and weight tensor should have "
            f"the same dtype, but got input({cpp_name(points._read())}), and "
            f"weight({cpp_name(weight._read())})"
        )


def _check_edges(points: Any, edges: Sequence[Any]) -> None:
    if len(edges) != points.shape[-1]:
        raise RuntimeError(
            f"{_NAME}: expected {points.shape[-1]} sequences of bin edges for a "
            f"{points.shape[-1]}-dimensional histogram but got {len(edges)}"
        )
    for dim, edge in enumerate(edges):
        where = f"in the bins tensor for dimension {dim}"
        if edge.ndim != 1:
            raise RuntimeError(
                f"{_NAME}: bins tensor should have one dimension, but got {edge.ndim} dimensions "
                f"{where}"
            )
        if not edge.numel():
            raise RuntimeError(
                f"{_NAME}: bins tensor should have at least 1 element, but got 0 elements {where}"
            )
        if edge.dtype is not points.dtype:
            raise RuntimeError(
                f"{_NAME}: input tensor and bins tensors should have the same dtype, but got input "
                f"with dtype {cpp_name(points._read())} and bins for dimension {dim} with dtype "
                f"{cpp_name(edge._read())}"
            )


def _bounds(points: Tensor, given: Sequence[float] | None) -> tuple[list[float], list[float]]:
    """The lowest and the highest edge of each dimension."""
    dims = points.shape[-1]
    if given is not None:
        if len(given) != 2 * dims:
            raise RuntimeError(
                f"{_NAME}: for a {dims}-dimensional histogram range should have {2 * dims} "
                f"elements, but got {len(given)}"
            )
        low, high = [list(map(float, given[i::2])) for i in (0, 1)]
    else:
        low, high = _extremes(points, dims)
    for dim, (least, most) in enumerate(zip(low, high)):
        if not (math.isfinite(least) and math.isfinite(most)):
            shown = f"[{least:g}, {most:g}]"
            raise RuntimeError(f"{_NAME}: dimension {dim}'s range {shown} is not finite")
        if least > most:
            raise RuntimeError(
                f"{_NAME}: min should not exceed max, but got min {least:g} max {most:g} for "
                f"dimension {dim}"
            )
        if least == most:
            low[dim], high[dim] = least - 0.5, most + 0.5
    return low, high


def _extremes(points: Tensor, dims: int) -> tuple[list[float], list[float]]:
    if not points.numel():
        return [0.0] * dims, [1.0] * dims
    host = values_of("histogram", points._read(), "without a range or edges, its edges depend on")
    rows = host.reshape(-1, dims)
    return rows.min(0).astype(np.float64).tolist(), rows.max(0).astype(np.float64).tolist()


def _edges(points: Tensor, bins: Sequence[Any], given: Any) -> tuple[Tensor, ...]:
    if bins and isinstance(bins[0], Tensor):
        _check_edges(points, bins)
        return tuple(edge.clone() for edge in bins)
    if len(bins) != points.shape[-1]:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    for dim, count in enumerate(bins):
        if count <= 0:
            raise RuntimeError(
                f"torch.histogram(): bins must be > 0, but got {count} for dimension {dim}"
            )
    low, high = _bounds(points, given)
    return tuple(
        linspace(least, most, count + 1, dtype=points.dtype)
        for least, most, count in zip(low, high, bins)
    )


def _counted(points: Tensor, bins: Any, given: Any, weight: Any, density: bool) -> tuple:
    _check(points, weight)
    if points.dtype.name not in ("float32", "float64"):
        raise NotImplementedError(
            f"\"histogramdd\" not implemented for '{scalar_name(points.dtype)}'"
        )
    edges = _edges(points.detach(), bins, given)
    flat = points.detach().reshape(math.prod(points.shape[:-1]), points.shape[-1])
    hist = ops._histogram_cells(flat, edges, None if weight is None else weight.reshape(-1))
    if density:
        hist = hist / hist.sum()
        for dim, edge in enumerate(edges):
            hist = hist / edge.diff().reshape(-1, *(1,) * (hist.ndim - dim - 1))
    return hist, edges


@lifted
def histogram(
    input: Any,
    bins: Any = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Any = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """How many elements (or how much of their weight) each bin holds, and the bins' edges.

    Args:
        bins: how many bins of one width, or their edges.
        range: the first and the last edge; those of the input by default.
        density: the share of the whole per unit of length instead.
    """
    points = input.reshape(-1, 1)
    weight = None if weight is None else weight.reshape(-1)
    hist, (edges,) = _counted(points, [bins], range, weight, density)
    result = _Histogram(hist, edges)
    return result if out is None else into(out, result)


@lifted
def histogramdd(
    input: Any,
    bins: Any,
    range: Sequence[float] | None = None,
    weight: Any = None,
    density: bool = False,
) -> Any:
    """How many points each cell of a grid holds, and the edges of the grid.

    Args:
        input: points along the last dimension.
        bins: how many bins each dimension has, or the edges of each.
        range: the first and last edge of each dimension in turn.
    """
    bins = [bins] * input.shape[-1] if isinstance(bins, int) else list(bins)
    hist, edges = _counted(input, bins, range, weight, density)
    return _Histogramdd(hist, edges)


def _histogram_of(self: Tensor, bins: Any = 100, **options: Any) -> Any:
    """`torch.histogram` of this tensor."""
    return histogram(self, bins, **options)


Tensor.histogram = _histogram_of
