"""Products of matrices and vectors, summed in float32 or wider and in full precision."""

from __future__ import annotations

import math

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import cast, dtype_of, promote, result_type, wide, wrap_dims
from torchcompat._ops._errors import cpp_name, not_implemented, scalar
from torchcompat._ops._pointwise import check_sizes, tensors_only
from torchcompat._ops._registry import Array, Number, op


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a @ b`, in float32 for half types."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST, preferred_element_type=sum_type(a))


def sum_type(x: jax.Array) -> jnp.dtype:
    """The type in which torch sums products of `x`'s type."""
    return wide(jnp.zeros((), x.dtype)).dtype


def _same_type(a: Array, b: Array, kernel: str = "addmm_impl_cpu_") -> None:
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {cpp_name(a)} != {cpp_name(b)}"
        )
    if dtype_of(a) is _dtype.bool_:
        raise not_implemented(kernel, a)


def _check_mm(a: Array, b: Array) -> None:
    rows, inner = (1, a.shape[0]) if a.ndim == 1 else (a.size // max(a.shape[-1], 1), a.shape[-1])
    if inner != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied "
            f"({rows}x{inner} and {b.shape[0]}x{b.shape[1]})"
        )
    _same_type(a, b)


def _check_mv(matrix: Array, vector: Array) -> None:
    rows = matrix.size // max(matrix.shape[-1], 1)
    if matrix.shape[-1] != vector.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({rows}), mat ({rows}x{matrix.shape[-1]}), "
            f"vec ({vector.shape[0]})"
        )
    if matrix.dtype != vector.dtype:
        raise RuntimeError(
            "addmv input tensors must have the same dtype, but got "
            f"{scalar(matrix)}, {scalar(vector)}, and {scalar(matrix)}"
        )
    if dtype_of(matrix) is _dtype.bool_:
        raise not_implemented("addmv_impl_cpu", matrix)


def _check_dot(a: Array, b: Array) -> None:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {scalar(a)} and {scalar(b)}"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{a.size}] and src [{b.size}] to have the "
            f"same number of elements, but got {a.size} and {b.size} elements respectively"
        )
    if dtype_of(a) is _dtype.bool_:
        raise not_implemented("dot", a)


def _check_bmm(a: Array, b: Array) -> None:
    batch = a.shape[0]
    if b.shape[0] != batch or b.shape[1] != a.shape[2]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{batch}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]."
        )
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected scalar type {scalar(a)} but found {scalar(b)}")
    if dtype_of(a) is _dtype.bool_:
        raise not_implemented("bmm", a)


_MATMUL_NODES = {
    (1, 1): "DotBackward0",
    (2, 1): "MvBackward0",
    (1, 2): "SqueezeBackward4",
    (2, 2): "MmBackward0",
}


def _matmul_node(first: int, second: int) -> str:
    """torch composes matmul of other products; the last of them names the node."""
    return _MATMUL_NODES.get((first, second), "UnsafeViewBackward0")


@op("torch", "method", "linalg", grad=_matmul_node)
def matmul(input: Array, other: Array) -> Array:
    """The matrix product; vectors count as rows on the left and columns on the right.

    Shape:
        input `(*, N, K)` or `(K)`, other `(*, K, M)` or `(K)`, the leading dimensions broadcast;
        output `(*, N, M)`, without N or M where that side is a vector.
    """
    _check_matmul(input, other)
    return product(input, other).astype(input.dtype)


def _check_matmul(a: Array, b: Array) -> None:
    if a.ndim == 0 or b.ndim == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D"
        )
    if a.ndim == 1 and b.ndim == 1:
        _check_dot(a, b)
    elif b.ndim == 1:
        _check_mv(a, b)
    elif b.ndim == 2:
        _check_mm(a, b)
    else:
        check_sizes(a.shape[:-2], b.shape[:-2])
        count = math.prod(jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
        left = jax.ShapeDtypeStruct((count, *((1,) + a.shape)[-2:]), a.dtype)
        _check_bmm(left, jax.ShapeDtypeStruct((count, *b.shape[-2:]), b.dtype))


def _need(dims: int, **arrays: Array) -> None:
    kind = {2: "a matrix", 3: "a 3D tensor"}[dims]
    for name, x in arrays.items():
        if x.ndim != dims:
            raise RuntimeError(f"{name} must be {kind}")


@op("torch", "method", check=tensors_only("mm", "input", "mat2"))
def mm(input: Array, mat2: Array) -> Array:
    """The product of two matrices."""
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    _need(2, mat2=mat2)
    _check_mm(input, mat2)
    return product(input, mat2).astype(input.dtype)


@op("torch", "method", check=tensors_only("bmm", "input", "mat2"))
def bmm(input: Array, mat2: Array) -> Array:
    """The products of two stacks of matrices, pair by pair."""
    _need(3, batch1=input, batch2=mat2)
    _check_bmm(input, mat2)
    return product(input, mat2).astype(input.dtype)


@op("torch", "method", check=tensors_only("mv", "input", "vec"))
def mv(input: Array, vec: Array) -> Array:
    """The product of a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {vec.ndim}, {input.ndim}, {vec.ndim}"
        )
    _check_mv(input, vec)
    return product(input, vec).astype(input.dtype)


@op("torch", "method", check=tensors_only("dot", "input", "tensor"))
def dot(input: Array, tensor: Array) -> Array:
    """The sum of products of two vectors."""
    _check_dot(input, tensor)
    return product(input, tensor).astype(input.dtype)


@op("torch", "method", check=tensors_only("vdot", "input", "other"))
def vdot(input: Array, other: Array) -> Array:
    """The sum of products of two vectors, the first conjugated."""
    _check_dot(input, other)
    return product(jnp.conj(input), other).astype(input.dtype)


@op("torch", "method", check=tensors_only("inner", "input", "other"))
def inner(input: Array, other: Array) -> Array:
    """The sums of products over the last dimension of both."""
    if input.ndim == 0 or other.ndim == 0:
        a, b = promote(input, other)
        return a * b
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    _same_type(input, other)
    axes = (((input.ndim - 1,), (other.ndim - 1,)), ((), ()))
    return _contract(input, other, axes)


def _contract(a: jax.Array, b: jax.Array, axes: tuple) -> jax.Array:
    return lax.dot_general(
        a, b, axes, precision=lax.Precision.HIGHEST, preferred_element_type=sum_type(a)
    ).astype(a.dtype)


@op("torch", "method", aliases=["ger"])
def outer(input: Array, vec2: Array) -> Array:
    """All products of an element of one vector with an element of another."""
    for name, x in (("self", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    a, b = promote(input, vec2)
    return a[:, None] * b[None, :]


def _blend(input: Array, value: jax.Array, beta: Array, alpha: Array) -> jax.Array:
    """`beta * input + alpha * value` in `value`'s size; a zero `beta` ignores `input`."""
    if isinstance(alpha, (int, float, complex)) and alpha == 1:
        scaled = value
    else:
        scaled = value * jnp.asarray(alpha).astype(value.dtype)
    if isinstance(beta, (int, float)) and beta == 0:
        return scaled
    _check_expands(input, value.shape)
    base = jnp.broadcast_to(input, value.shape).astype(value.dtype)
    return scaled + (
        base
        if isinstance(beta, int) and beta == 1
        else base * jnp.asarray(beta).astype(value.dtype)
    )


def _check_expands(x: Array, size: tuple[int, ...]) -> None:
    """torch's error where `x` does not broadcast to `size`."""
    if x.ndim > len(size):
        raise RuntimeError(
            f"The number of sizes provided ({len(size)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({x.ndim})"
        )
    for back in range(1, x.ndim + 1):
        if x.shape[-back] not in (1, size[-back]):
            raise RuntimeError(
                f"The expanded size of the tensor ({size[-back]}) must match the existing size "
                f"({x.shape[-back]}) at non-singleton dimension {len(size) - back}.  "
                f"Target sizes: {list(size)}.  Tensor sizes: {list(x.shape)}"
            )


def _same_as(input: Array, other: Array) -> None:
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {scalar(input)} and {scalar(other)}"
        )


@op("torch", "method", "inplace", check=tensors_only("addmm", "input", "mat1", "mat2"))
def addmm(
    input: Array, mat1: Array, mat2: Array, *, beta: Number | Array = 1, alpha: Number | Array = 1
) -> Array:
    """`beta * input + alpha * (mat1 @ mat2)`."""
    _need(2, mat1=mat1, mat2=mat2)
    _check_mm(mat1, mat2)
    _same_as(input, mat2)
    return _blend(input, product(mat1, mat2), beta, alpha).astype(input.dtype)


@op("torch", "method", "inplace", check=tensors_only("addmv", "input", "mat", "vec"))
def addmv(
    input: Array, mat: Array, vec: Array, *, beta: Number | Array = 1, alpha: Number | Array = 1
) -> Array:
    """`beta * input + alpha * (mat @ vec)`."""
    _check_mv(mat, vec)
    return _blend(input, product(mat, vec), beta, alpha).astype(input.dtype)


@op("torch", "method", "inplace")
def addr(
    input: Array, vec1: Array, vec2: Array, *, beta: Number | Array = 1, alpha: Number | Array = 1
) -> Array:
    """`beta * input + alpha * outer(vec1, vec2)`."""
    to = result_type(input, vec1, vec2)
    if to is _dtype.bool_:
        pairs = vec1[:, None] & vec2[None, :]
        pairs = pairs if alpha else jnp.zeros_like(pairs)
        return (pairs | input) if beta else pairs
    pairs = cast(vec1, to)[:, None] * cast(vec2, to)[None, :]
    return _blend(cast(input, to), wide(pairs), beta, alpha).astype(to.numpy)


@op("torch", "method", "inplace", check=tensors_only("baddbmm", "input", "batch1", "batch2"))
def baddbmm(
    input: Array,
    batch1: Array,
    batch2: Array,
    *,
    beta: Number | Array = 1,
    alpha: Number | Array = 1,
) -> Array:
    """`beta * input + alpha * (batch1 @ batch2)`, pair by pair."""
    _need(3, batch1=batch1, batch2=batch2)
    _check_bmm(batch1, batch2)
    return _blend(input, product(batch1, batch2), beta, alpha).astype(input.dtype)


@op("torch", "method", "inplace", check=tensors_only("addbmm", "input", "batch1", "batch2"))
def addbmm(
    input: Array,
    batch1: Array,
    batch2: Array,
    *,
    beta: Number | Array = 1,
    alpha: Number | Array = 1,
) -> Array:
    """`beta * input + alpha * (batch1 @ batch2).sum(0)`."""
    _need(3, batch1=batch1, batch2=batch2)
    _check_bmm(batch1, batch2)
    axes = (((0, 2), (0, 1)), ((), ()))
    summed = lax.dot_general(
        batch1,
        batch2,
        axes,
        precision=lax.Precision.HIGHEST,
        preferred_element_type=sum_type(batch1),
    )
    return _blend(input, summed, beta, alpha).astype(input.dtype)


@op("torch", name="tensordot")
def tensordot(a: Array, b: Array, dims: object = 2) -> Array:
    """The sum of products over chosen dimensions.

    Args:
        dims: how many last dimensions of `a` meet first ones of `b`, or a list for each.
    """
    if isinstance(dims, int):
        left, right = tuple(range(-dims, 0)), tuple(range(dims))
    else:
        left, right = ((d,) if isinstance(d, int) else tuple(d) for d in dims)  # type: ignore[attr-defined]
    for i, j in zip(left, right):
        if a.shape[i] == 1:
            b = jnp.sum(b, axis=j, keepdims=True, dtype=b.dtype)
        elif b.shape[j] == 1:
            a = jnp.sum(a, axis=i, keepdims=True, dtype=a.dtype)
        elif a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
    axes = wrap_dims(left, a.ndim) if left else (), wrap_dims(right, b.ndim) if right else ()
    return _contract(a, b, (axes, ((), ())))


@op("torch", "method", check=tensors_only("kron", "input", "other"))
def kron(input: Array, other: Array) -> Array:
    """The Kronecker product."""
    a, b = promote(input, other)
    if dtype_of(a) is _dtype.bool_:
        return jnp.kron(a.astype(jnp.uint8), b.astype(jnp.uint8)).astype(a.dtype)
    return jnp.kron(a, b)


@op("torch", "method")
def trace(input: Array) -> Array:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    diagonal = jnp.diagonal(input)
    kind = dtype_of(input)
    whole = not (kind.is_floating_point or kind.is_complex)
    return jnp.sum(wide(diagonal), dtype=jnp.int64 if whole else None).astype(
        jnp.int64 if whole else input.dtype
    )
