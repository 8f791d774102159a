"""`interpolate` and its older names: checks of the arguments, output sizes, choice of the op."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor
from torchcompat.nn._functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)

Sizes = int | Sequence[int]
Factors = float | Sequence[float]

_ALIGNING = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}
_MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"
# mode -> number of dimensions that the input may have
_RANKS = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "trilinear": (5,),
    "bicubic": (4,),
    "lanczos": (4,),
}
_AREA = {3: adaptive_avg_pool1d, 4: adaptive_avg_pool2d, 5: adaptive_avg_pool3d}


@lifted
def interpolate(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The input at another spatial size.

    Args:
        size: output size in elements, one for all dimensions or one each.
        scale_factor: output size as a multiple of the input's; give one of the two.
        mode: `nearest`, `nearest-exact`, `linear` (3D), `bilinear`, `bicubic`, `lanczos` (4D),
            `trilinear` (5D) or `area`.
        align_corners: whether the first and last elements keep their places; for the linear modes
            and bicubic.
        recompute_scale_factor: take positions from the output's rounded size, not from the factor.
        antialias: widen the filter when making smaller; bilinear and bicubic, and always lanczos.

    Shape:
        input `(N, C, *)` with one to three spatial dimensions; output `(N, C, *size)`.
    """
    _check_align_corners(mode, align_corners)
    dims = input.dim() - 2
    size, factors = _targets(input, dims, size, scale_factor)
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if factors is not None and (recompute_scale_factor or mode == "area"):
        size = [math.floor(float(n) * f) for n, f in zip(input.shape[2:], factors)]
        factors = None
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    _check_rank(input, mode)
    if mode == "lanczos":
        _check_lanczos(antialias, align_corners)
    if mode == "area":
        return _AREA[input.ndim](input, size)
    if size is None:
        size = [_scaled(n, f) for n, f in zip(input.shape[2:], factors or ())]
    row = getattr(ops, _row(mode, dims, antialias))
    return row(input, size, bool(align_corners), factors)


def _scaled(length: int, factor: float) -> int:
    """A length times a factor, rounded towards zero.

    Raises:
        RuntimeError: it takes more than 64 bits.
    """
    found = int(float(length) * factor)
    if not -(2**63) <= found < 2**63:
        raise RuntimeError("value cannot be converted to type int64_t without overflow")
    return found


def _row(mode: str, dims: int, antialias: bool) -> str:
    return f"upsample_{mode.replace('-', '_')}{dims}d" + ("_aa" if antialias else "")


def _check_align_corners(mode: Any, align_corners: bool | None) -> None:
    if mode not in _ALIGNING and mode != "lanczos" and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: "
            + " | ".join(_ALIGNING)
        )


def _check_lanczos(antialias: bool, align_corners: bool | None) -> None:
    if not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if align_corners:
        raise ValueError("Lanczos mode does not support align_corners=True")


def _targets(
    input: Tensor, dims: int, size: Any, scale_factor: Any
) -> tuple[list[int] | None, list[float] | None]:
    """Size and factors, one of them None, the other with a value for each dimension."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        return _sizes(input, dims, size), None
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    return None, _factors(input, dims, scale_factor)


def _sizes(input: Tensor, dims: int, size: Any) -> list[int]:
    if not isinstance(size, (list, tuple)):
        return [_integer(size, [size] * dims)] * dims
    if len(size) != dims:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(input.shape[2:])} and output size of {size}. Please "
            "provide input tensor in (N, C, d1, d2, ...,dK) format and output size in "
            "(o1, o2, ...,oK) format."
        )
    return [_integer(one, size) for one in size]


def _integer(value: Any, size: Sequence) -> int:
    if not isinstance(value, bool) and hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError(
        "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], "
        f"but got size with types {[type(one) for one in size]}"
    )


def _factors(input: Tensor, dims: int, factor: Any) -> list[float]:
    if not isinstance(factor, (list, tuple)):
        return [_number(factor)] * dims
    if len(factor) != dims:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input "
            f"with spatial dimensions of {list(input.shape[2:])} and scale_factor of shape "
            f"{factor}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            "scale_factor in (s1, s2, ...,sK) format."
        )
    return [_number(one) for one in factor]


def _number(value: Any) -> float:
    if isinstance(value, (Tensor, str)) or not hasattr(value, "__float__"):
        raise TypeError(
            "upsample() received an invalid combination of arguments: scale_factor must be a float "
            f"or a tuple of floats, not {type(value).__name__}"
        )
    return float(value)


def _check_rank(input: Tensor, mode: Any) -> None:
    allowed = _RANKS.get(mode, ())
    if input.ndim in allowed:
        return
    if input.ndim in (3, 4, 5) and len(allowed) == 1 and mode not in ("bicubic", "lanczos"):
        raise NotImplementedError(
            f"Got {input.ndim}D input, but {mode} mode needs {allowed[0]}D input"
        )
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the "
        f"modes: {_MODES} (got {mode})"
    )


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


def upsample(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its former name; warns."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: Sizes | None = None, scale_factor: Factors | None = None
) -> Tensor:
    """`interpolate` in mode `nearest`; warns."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor, size: Sizes | None = None, scale_factor: Factors | None = None
) -> Tensor:
    """`interpolate` in mode `bilinear` with aligned corners; warns."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
