"""`torch.gradient`: its forms of `spacing` and `dim`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchcompat._ops._common import wrap_dims
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor

__all__ = ["gradient"]


@lifted
def gradient(
    input: Tensor,
    *,
    spacing: Any = None,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The slope of a function of a grid along each dimension, from its values on the grid.

    Args:
        spacing: the distance of grid points, one for all dimensions or one for each; or for each the
            places of its grid points.
        edge_order: 1 or 2, the order of accuracy at the ends.
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = tuple(range(input.ndim)) if dim is None else _dims(dim, input.ndim)
    steps = _steps(input, spacing, dim, dims)
    found = []
    for step, one in zip(steps, dims):
        slope = ops.gradient_at_op if getattr(step, "ndim", 0) else ops.gradient_op
        found.append(slope(input, step, one, edge_order))
    return tuple(found)


def _dims(dim: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    one = isinstance(dim, int)
    return wrap_dims(dim, ndim) if one or len(dim) else ()  # type: ignore[arg-type]


def _steps(input: Tensor, spacing: Any, dim: Any, dims: tuple[int, ...]) -> Sequence[Any]:
    if isinstance(spacing, Tensor) and spacing.ndim:
        raise TypeError(
            "gradient() received an invalid combination of arguments - got (Tensor, spacing=Tensor), "
            "but expected one of:\n * (Tensor input, *, Number spacing, tuple of ints dim, int "
            "edge_order = 1)\n * (Tensor input, *, tuple of Tensors spacing, tuple of ints dim, int "
            "edge_order = 1)\n"
        )
    if spacing is None or not isinstance(spacing, (tuple, list)):
        return [1 if spacing is None else spacing] * len(dims)
    if dim is None and len(spacing) != input.ndim:
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal "
            f"to 'self.dim() = {input.ndim}', since dim argument was not given, but got a list of "
            f"length {len(spacing)}"
        )
    if len(spacing) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim "
            f"arguments to have the same length, but got a spacing argument of length {len(spacing)} "
            f"and a dim argument of length {len(dims)}."
        )
    return spacing
