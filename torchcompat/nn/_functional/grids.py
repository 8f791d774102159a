"""`grid_sample` and `affine_grid`: modes by name, and torch's warnings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from torchcompat._ops.grids import INTERPOLATION, PADDING
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor

GRID_SAMPLE_INTERPOLATION_MODES = dict(INTERPOLATION)
GRID_SAMPLE_PADDING_MODES = dict(PADDING)


def _warn_of_default(align_corners: bool | None) -> None:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
            "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
            "documentation of grid_sample for details.",
            stacklevel=4,
        )


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The input's values at the grid's positions, -1 and 1 being its edges.

    Args:
        mode: `bilinear` (trilinear for volumes), `nearest` or `bicubic` (images only).
        padding_mode: what lies outside: `zeros`, `border` or `reflection`.
        align_corners: whether -1 and 1 are the centres of the outermost elements, not their edges.

    Shape:
        input `(N, C, H, W)` or `(N, C, D, H, W)`; grid `(N, *out, 2)` or `(N, *out, 3)`, the width
        first; output `(N, C, *out)`.
    """
    if mode not in INTERPOLATION:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in PADDING:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    _warn_of_default(align_corners)
    return ops.grid_sampler(
        input, grid, INTERPOLATION[mode], PADDING[padding_mode], bool(align_corners)
    )


@lifted
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The positions that affine maps send the elements of an output to, for `grid_sample`.

    Args:
        size: of the output that is to be sampled, `(N, C, *out)`.
        align_corners: as in `grid_sample`.

    Shape:
        theta `(N, 2, 3)` or `(N, 3, 4)`; output `(N, *out, 2)` or `(N, *out, 3)`.
    """
    _warn_of_default(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    if theta.dim() != 3 or tuple(theta.shape[-2:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size "
            f"{size}. Got {theta.shape}."
        )
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the "
            "documentation of affine_grid for details.",
            stacklevel=3,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return ops.affine_grid_generator(theta, size, bool(align_corners))
