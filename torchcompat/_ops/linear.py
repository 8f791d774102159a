"""Linear and bilinear maps."""

from __future__ import annotations

import math

from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import wide
from torchcompat._ops._errors import cpp_name, require_kernel, scalar
from torchcompat._ops._registry import Array, op


def contract(a: Array, b: Array, axes: tuple[int, int]) -> Array:
    """The sum of products over axis `axes[0]` of `a` and `axes[1]` of `b`, in full precision.

    Half types are summed in float32 and not yet rounded.
    """
    dimensions = (((axes[0],), (axes[1],)), ((), ()))
    sum_type = wide(jnp.zeros((), a.dtype)).dtype
    return lax.dot_general(
        a, b, dimensions, precision=lax.Precision.HIGHEST, preferred_element_type=sum_type
    )


def _linear_node(input: int, weight: int, bias: int = 0) -> str:
    """torch composes linear of matrix products and views; the last of them names the node."""
    if bias:
        return "AddmmBackward0" if input == 2 else "ViewBackward0"
    return {1: "SqueezeBackward4", 2: "MmBackward0"}.get(input, "UnsafeViewBackward0")


@op("functional", grad=_linear_node)
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """`input @ weight.T + bias`.

    Shape:
        input `(*, in_features)`, weight `(out_features, in_features)` or `(in_features)`,
        bias `(out_features)`; output `(*, out_features)` or `(*)`.
    """
    _check_linear(input, weight, bias)
    require_kernel("addmm_impl_cpu_", input, "floating", "complex", "integer")
    out = contract(input, weight, (input.ndim - 1, weight.ndim - 1))
    if bias is not None:
        out = out + bias.astype(out.dtype)
    return out.astype(input.dtype)


def _check_linear(input: Array, weight: Array, bias: Array | None) -> None:
    if input.ndim == 0 or weight.ndim == 0:
        raise RuntimeError(
            "both arguments to linear need to be at least 1D, "
            f"but they are {input.ndim}D and {weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    if weight.ndim == 1 and bias is not None:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    rows = math.prod(input.shape[:-1])
    features = weight.shape[-1]
    out_features = weight.shape[0] if weight.ndim == 2 else 1
    if input.shape[-1] != features:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied "
            f"({rows}x{input.shape[-1]} and {features}x{out_features})"
        )
    _check_linear_types(input, weight, bias)
    if bias is not None:
        _check_expandable(bias, (rows, out_features))


def _check_linear_types(input: Array, weight: Array, bias: Array | None) -> None:
    if input.dtype != weight.dtype:
        if bias is None:
            raise RuntimeError(
                "expected m1 and m2 to have the same dtype, "
                f"but got: {cpp_name(input)} != {cpp_name(weight)}"
            )
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {scalar(input)} and {scalar(weight)}"
        )
    if bias is not None and bias.dtype != weight.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {scalar(bias)} and {scalar(weight)}"
        )


def _check_expandable(bias: Array, target: tuple[int, int]) -> None:
    """A bias must broadcast to the product of the flattened input and the weight."""
    if bias.ndim > 2:
        raise RuntimeError(
            f"expand(torch.{scalar(bias)}Tensor{{{list(bias.shape)}}}, size={list(target)}): "
            "the number of sizes provided (2) must be greater or equal to the number of dimensions "
            f"in the tensor ({bias.ndim})"
        )
    for back in range(1, bias.ndim + 1):
        if bias.shape[-back] not in (1, target[-back]):
            raise RuntimeError(
                f"The expanded size of the tensor ({target[-back]}) must match the existing size "
                f"({bias.shape[-back]}) at non-singleton dimension {2 - back}.  "
                f"Target sizes: {list(target)}.  Tensor sizes: {list(bias.shape)}"
            )


@op("torch", "functional")
def bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None = None) -> Array:
    """`input1^T weight[k] input2 + bias[k]` for each output feature k.

    Shape:
        input1 `(*, in1)`, input2 `(*, in2)`, weight `(out, in1, in2)`, bias `(out)`;
        output `(*, out)`.
    """
    _check_bilinear(input1, input2, weight, bias)
    left = contract(input1, weight, (input1.ndim - 1, 1))
    out = jnp.sum(left * wide(input2)[..., None, :], axis=-1)
    if bias is not None:
        out = out + bias.astype(out.dtype)
    return out.astype(input1.dtype)


def _check_bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None) -> None:
    def disagree(what: str, got: int, expected: int) -> RuntimeError:
        return RuntimeError(
            f"bilinear(): {what} size does not match weight size: got {got} but expected {expected}"
        )

    if input1.ndim != input2.ndim:
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}"
        )
    for dim, (m, n) in enumerate(zip(input1.shape[:-1], input2.shape[:-1])):
        if m != n:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {dim}: got {m} and {n}"
            )
    if input1.shape[-1] != weight.shape[1]:
        raise disagree("input1", input1.shape[-1], weight.shape[1])
    if input2.shape[-1] != weight.shape[2]:
        raise disagree("input2", input2.shape[-1], weight.shape[2])
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise disagree("bias", bias.shape[0], weight.shape[0])
    given = {"input1": input1, "input2": input2, "weight": weight}
    if bias is not None:
        given["bias"] = bias
    if len({x.dtype for x in given.values()}) > 1:
        listed = ", ".join(f"{name}: {cpp_name(x)}" for name, x in given.items())
        raise RuntimeError(f"All tensors must have the same dtype, got {listed}")
