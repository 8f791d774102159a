"""Products of groups of matrices and of scaled 8-bit matrices, for mixtures of experts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._dispatch import lifted


class ScalingType(Enum):
    """What shares one scale: the whole matrix, a row (a column of the second matrix), or a block."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(Enum):
    """The order in which a CUDA kernel expects the scales in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


ScalingType.__name__ = ScalingType.__qualname__ = "_ScalingType"
SwizzleType.__name__ = SwizzleType.__qualname__ = "_SwizzleType"
_Scales = Tensor | list[Tensor]
_Recipes = ScalingType | list[ScalingType]
_Swizzles = SwizzleType | list[SwizzleType] | None


@lifted
def grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    *,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: Dtype | None = None,
) -> Tensor:
    """The matrix product of each group of rows, columns or products of two matrices.

    Any size will do; torch's kernels want strides of 16 bytes.

    Args:
        offs: int32, where each group ends in the dimension that the groups of a 2D matrix share.
        bias: refused, as by torch.
        out_dtype: the type of the inputs.

    Shape:
        `(M, K) @ (G, K, N)`, groups along M, gives `(M, N)`; `(G, M, K) @ (K, N)`, groups along N,
        gives `(M, N)`; `(M, K) @ (K, N)`, groups along K, gives `(G, M, N)`; `(G, M, K) @ (G, K, N)`
        gives `(G, M, N)`.

    Raises:
        RuntimeError: sizes, types or offsets do not belong together.
    """
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype is not mat_a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    return ops.grouped_mm(mat_a, mat_b, offs)


@lifted
def scaled_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    scale_a: _Scales,
    scale_recipe_a: _Recipes,
    scale_b: _Scales,
    scale_recipe_b: _Recipes,
    swizzle_a: _Swizzles = None,
    swizzle_b: _Swizzles = None,
    bias: Tensor | None = None,
    output_dtype: Dtype | None = _dtype.bfloat16,
    contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False,
) -> Tensor:
    """`(scale_a * mat_a) @ (scale_b * mat_b) + bias` of float8 matrices, summed in float32.

    Args:
        scale_a, scale_b: float32; one number, or by rows `(M, 1)` and columns `(1, N)`.
        scale_recipe_a, scale_recipe_b: `ScalingType.TensorWise` or `RowWise`, the same for both.
        swizzle_a, swizzle_b: none, or `SwizzleType.NO_SWIZZLE`.
        output_dtype: None for that of `mat_a`.
        contraction_dim, use_fast_accum: have no effect.

    Shape:
        mat_a `(M, K)`, mat_b `(K, N)`, bias `(N)`; output `(M, N)`.

    Raises:
        ValueError: the sizes, types or recipes do not belong together.
    """
    _check_matrices(mat_a, mat_b, bias)
    _refuse_swizzles(swizzle_a, swizzle_b)
    first, second = _single(scale_a), _single(scale_b)
    recipes = [_single(recipe) for recipe in (scale_recipe_a, scale_recipe_b)]
    float8 = all(x.dtype.name.startswith("float8") for x in (mat_a, mat_b))
    known = all(x is not None and x.dtype is _dtype.float32 for x in (first, second))
    if recipes == [ScalingType.TensorWise] * 2 and float8 and known:
        for name, scale in (("scale_a", first), ("scale_b", second)):
            if scale.numel() != 1:
                raise ValueError(f"{name} must have 1 Float element")
        first, second = first.reshape(1, 1), second.reshape(1, 1)
    else:
        sizes = (mat_a.shape[0], 1), (1, mat_b.shape[1])
        by_rows = recipes == [ScalingType.RowWise] * 2 and float8 and known
        if not by_rows or (tuple(first.shape), tuple(second.shape)) != sizes:
            raise ValueError(_misfit(mat_a, mat_b, scale_a, scale_b))
    out = ops.scaled_product(mat_a, mat_b, first, second, bias)
    return out.to(mat_a.dtype if output_dtype is None else output_dtype)


@lifted
def scaled_grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    scale_a: _Scales,
    scale_recipe_a: _Recipes,
    scale_b: _Scales,
    scale_recipe_b: _Recipes,
    swizzle_a: _Swizzles = None,
    swizzle_b: _Swizzles = None,
    bias: Tensor | None = None,
    offs: Tensor | None = None,
    output_dtype: Dtype | None = _dtype.bfloat16,
    contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False,
) -> Tensor:
    """`grouped_mm` of float8 matrices, the first scaled by rows and the second by columns.

    Args:
        scale_a: float32, `(M)` or `(G, M)`.
        scale_b: float32, `(G, N)`.
        scale_recipe_a, scale_recipe_b: `ScalingType.RowWise`.

    Raises:
        NotImplementedError: another recipe, a bias, or a second matrix that is 2D.
    """
    _refuse_swizzles(swizzle_a, swizzle_b)
    for name, recipe in (("scale_recipe_a", scale_recipe_a), ("scale_recipe_b", scale_recipe_b)):
        if _single(recipe) is not ScalingType.RowWise:
            raise NotImplementedError(f"scaled_grouped_mm: {name}={recipe!r}")
    if bias is not None:
        raise NotImplementedError("scaled_grouped_mm: bias")
    if mat_b.ndim != 3:
        raise NotImplementedError(f"scaled_grouped_mm: mat_b of {mat_b.ndim} dimensions")
    out = ops.scaled_groups(mat_a, mat_b, _single(scale_a), _single(scale_b), offs)
    return out.to(mat_a.dtype if output_dtype is None else output_dtype)


def _single(x: Any) -> Any:
    """What a list of one holds; None for a longer one."""
    if isinstance(x, (list, tuple)):
        return x[0] if len(x) == 1 else None
    return x


def _refuse_swizzles(*swizzles: _Swizzles) -> None:
    for name, given in zip(("swizzle_a", "swizzle_b"), swizzles):
        for one in given if isinstance(given, (list, tuple)) else (given,):
            if one not in (None, SwizzleType.NO_SWIZZLE):
                raise NotImplementedError(f"scaled_mm: {name}={given!r}")


def _check_matrices(mat_a: Tensor, mat_b: Tensor, bias: Tensor | None) -> None:
    for name, x in (("mat_a", mat_a), ("mat_b", mat_b)):
        if x.ndim != 2:
            raise ValueError(f"{name} must be a matrix")
    (rows, inner), (other, columns) = mat_a.shape, mat_b.shape
    if inner != other:
        raise ValueError(
            f"mat_a and mat_b shapes cannot be multiplied ({rows}x{inner} and {other}x{columns})"
        )
    if bias is not None and bias.numel() != columns:
        raise ValueError(f"Bias must be size {columns} but got {bias.numel()}")


def _misfit(mat_a: Tensor, mat_b: Tensor, scale_a: _Scales, scale_b: _Scales) -> str:
    shown = []
    for letter, matrix, scales in (("a", mat_a, scale_a), ("b", mat_b, scale_b)):
        scale = scales[0] if isinstance(scales, (list, tuple)) else scales
        kinds = [_dtype.scalar_name(x.dtype) for x in (matrix, scale)]
        shown += [
            f"mat_{letter}.dtype()={kinds[0]}",
            f"scale_{letter}.dtype()={kinds[1]}",
            f"scale_{letter}.size()={list(scale.shape)}",
            f"scale_{letter}.stride()={list(scale.stride())}",
        ]
    return (
        "Invalid scaling configuration.\n- For TensorWise scaling, a and b should be float8, "
        "scales should be float and singletons.\n- For RowWise scaling, a and b should be float8, "
        f"scales should be float, scale_a should be ({mat_a.shape[0]}, 1) and scale_b should be "
        f"(1, {mat_b.shape[1]}), and both should be contiguous.\nGot {', '.join(shown[:-1])} and "
        f"{shown[-1]}"
    )
