"""Solving, inverting and factoring matrices. A singular matrix gives NaN or inf under tracing."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import cast, dtype_of, promote, wrap_dim
from torchcompat._ops._errors import scalar
from torchcompat._ops._pointwise import check_broadcast, is_integral, register
from torchcompat._ops._registry import Array, op
from torchcompat._ops.products import product


def matrices(name: str, x: Array, *, square: bool = False) -> None:
    """Raises torch's error unless `x` holds (square) matrices of a floating or complex type."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, "
            f"but they are {x.shape[-2]} by {x.shape[-1]} matrices"
        )
    if is_integral(x):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {scalar(x)}"
        )


def _both(name: str, compute: Callable, doc: str, **row: object) -> None:
    """The same computation as `torch.<name>` (argument `input`) and `torch.linalg.<name>` (`A`)."""

    def old(input: Array) -> Array:
        return compute(f"linalg.{name}", input)

    def new(A: Array) -> Array:
        return compute(f"linalg.{name}", A)

    register(old, name, doc, ("torch", "method"), **row)
    register(new, f"linalg_{name}", doc, ("linalg",), **row)


def _inv(name: str, x: Array) -> jax.Array:
    matrices(name, x, square=True)
    return jnp.linalg.inv(x)


def _det(name: str, x: Array) -> jax.Array:
    matrices(name, x, square=True)
    return jnp.linalg.det(x)


def _slogdet(name: str, x: Array) -> tuple[jax.Array, jax.Array]:
    matrices(name, x, square=True)
    return tuple(jnp.linalg.slogdet(x))  # type: ignore[return-value]


_both("det", _det, "The determinant.")
_both("slogdet", _slogdet, "The sign of the determinant and the logarithm of its magnitude.",
      returns="sign logabsdet")


@op("torch", "method")
def inverse(input: Array) -> Array:
    """The inverse of each matrix."""
    return _inv("linalg.inv", input)


@op("linalg")
def linalg_inv(A: Array) -> Array:
    """The inverse of each matrix."""
    return _inv("linalg.inv", A)


@op("linalg", returns="inverse info")
def linalg_inv_ex(A: Array, *, check_errors: bool = False) -> tuple[Array, Array]:
    """The inverse of each matrix, and 0 (or 1 where there is none)."""
    found = _inv("linalg.inv_ex", A)
    return found, (~jnp.all(jnp.isfinite(found), (-2, -1))).astype(np.int32)


@op("torch", "method")
def logdet(input: Array) -> Array:
    """The logarithm of the determinant; NaN where that is negative."""
    sign, size = _slogdet("linalg.slogdet", input)
    return jnp.where(sign == -1, jnp.nan, size) if not dtype_of(input).is_complex else size + jnp.log(sign)


def _is_vector(a: Array, b: Array) -> bool:
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


@op("linalg")
def linalg_solve(A: Array, B: Array, *, left: bool = True) -> Array:
    """`X` with `A X = B`, or `X A = B` where `left` is false."""
    matrices("linalg.solve", A, square=True)
    vector = _is_vector(A, B)
    right = B[..., None] if vector else B
    if not left:
        return jnp.linalg.solve(A.swapaxes(-1, -2), right.swapaxes(-1, -2)).swapaxes(-1, -2)
    found = jnp.linalg.solve(*_aligned(A, right))
    return found[..., 0] if vector else found


def _aligned(a: Array, b: Array) -> tuple[jax.Array, jax.Array]:
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (
        jnp.broadcast_to(a, (*batch, *a.shape[-2:])),
        jnp.broadcast_to(b, (*batch, *b.shape[-2:])),
    )


@op("linalg")
def linalg_solve_triangular(
    A: Array, B: Array, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Array:
    """`X` with `A X = B` (or `X A = B`) for a triangular `A`, whose other half is ignored."""
    matrices("linalg.solve_triangular", A, square=True)
    a, b = _aligned(A, B)
    return lax.linalg.triangular_solve(
        a, b, left_side=left, lower=not upper, unit_diagonal=unitriangular
    )


@op("torch", "method", returns="solution cloned_coefficient")
def triangular_solve(
    input: Array, A: Array, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Array, Array]:
    """`X` with `A X = input` for a triangular `A`, and a copy of `A`."""
    a, b = _aligned(A, input)
    found = lax.linalg.triangular_solve(
        a, b, left_side=True, lower=not upper, transpose_a=transpose, unit_diagonal=unitriangular
    )
    return found, a


def _cholesky(name: str, x: Array, upper: bool) -> jax.Array:
    matrices(name, x, square=True)
    if upper:
        # torch reads the half that it is asked to write.
        return jnp.conj(_lower(jnp.conj(x.swapaxes(-1, -2)))).swapaxes(-1, -2)
    return _lower(x)


def _lower(x: jax.Array) -> jax.Array:
    held = jnp.tril(x)
    mirrored = held + jnp.conj(jnp.tril(x, -1)).swapaxes(-1, -2)
    return lax.linalg.cholesky(mirrored, symmetrize_input=False)


@op("torch", "method")
def cholesky(input: Array, upper: bool = False) -> Array:
    """The triangular factor `L` with `L L^H = input`; its conjugate transpose with `upper`."""
    return _cholesky("linalg.cholesky", input, upper)


@op("linalg")
def linalg_cholesky(A: Array, *, upper: bool = False) -> Array:
    """The triangular factor `L` with `L L^H = A`; its conjugate transpose with `upper`."""
    return _cholesky("linalg.cholesky", A, upper)


@op("linalg", returns="L info")
def linalg_cholesky_ex(
    A: Array, *, upper: bool = False, check_errors: bool = False
) -> tuple[Array, Array]:
    """The Cholesky factor, and 0 (or 1 where the matrix is not positive-definite)."""
    found = _cholesky("linalg.cholesky", A, upper)
    return found, jnp.any(jnp.isnan(found), (-2, -1)).astype(np.int32)


@op("torch", "method")
def cholesky_solve(input: Array, input2: Array, upper: bool = False) -> Array:
    """`X` with `A X = input`, given the Cholesky factor `input2` of `A`."""
    a, b = _aligned(input2, input)
    return jax.scipy.linalg.cho_solve((a, not upper), b)


@op("torch", "method")
def cholesky_inverse(input: Array, upper: bool = False) -> Array:
    """The inverse of `A`, given its Cholesky factor."""
    eye = jnp.broadcast_to(jnp.eye(input.shape[-1], dtype=input.dtype), input.shape)
    return jax.scipy.linalg.cho_solve((input, not upper), eye)


@op("torch", "method", returns="Q R")
def qr(input: Array, some: bool = True) -> tuple[Array, Array]:
    """An orthonormal `Q` and an upper triangular `R` with `Q R = input`."""
    return linalg_qr(input, "reduced" if some else "complete")


@op("linalg", returns="Q R")
def linalg_qr(A: Array, mode: str = "reduced") -> tuple[Array, Array]:
    """An orthonormal `Q` and an upper triangular `R` with `Q R = A`.

    Args:
        mode: "reduced", "complete" (a square `Q`) or "r" (an empty `Q`).
    """
    matrices("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    if mode == "r":
        return jnp.zeros(0, A.dtype), jnp.linalg.qr(A, mode="r")
    return tuple(jnp.linalg.qr(A, mode=mode))  # type: ignore[return-value]


@op("torch", "method", returns="U S V")
def svd(input: Array, some: bool = True, compute_uv: bool = True) -> tuple[Array, Array, Array]:
    """Singular values and vectors with `U diag(S) V^H = input`."""
    u, s, vh = linalg_svd(input, not some)
    if not compute_uv:
        u, vh = jnp.zeros_like(u), jnp.zeros_like(vh)
    return u, s, jnp.conj(vh.swapaxes(-1, -2))


@op("linalg", returns="U S Vh")
def linalg_svd(
    A: Array, full_matrices: bool = True, *, driver: str | None = None
) -> tuple[Array, Array, Array]:
    """Singular values and vectors with `U diag(S) Vh = A`."""
    matrices("linalg.svd", A)
    return tuple(jnp.linalg.svd(A, full_matrices=full_matrices))  # type: ignore[return-value]


@op("linalg")
def linalg_svdvals(A: Array, *, driver: str | None = None) -> Array:
    """The singular values, largest first."""
    matrices("linalg.svdvals", A)
    return jnp.linalg.svd(A, compute_uv=False)


@op("linalg", returns="eigenvalues eigenvectors")
def linalg_eigh(A: Array, UPLO: str = "L") -> tuple[Array, Array]:
    """Eigenvalues (in rising order) and eigenvectors of Hermitian matrices."""
    matrices("linalg.eigh", A, square=True)
    return tuple(jnp.linalg.eigh(_hermitian(A, UPLO), symmetrize_input=False))  # type: ignore[return-value]


@op("linalg")
def linalg_eigvalsh(A: Array, UPLO: str = "L") -> Array:
    """The eigenvalues of Hermitian matrices, in rising order."""
    matrices("linalg.eigvalsh", A, square=True)
    return jnp.linalg.eigh(_hermitian(A, UPLO), symmetrize_input=False)[0]


def _hermitian(x: Array, half: str) -> jax.Array:
    """The Hermitian matrix of which `x` holds the lower ("L") or upper ("U") half."""
    lower = jnp.tril(x) if half.upper() == "L" else jnp.conj(jnp.triu(x)).swapaxes(-1, -2)
    strict = jnp.tril(lower, -1)
    return strict + jnp.conj(lower).swapaxes(-1, -2)


@op("linalg", returns="eigenvalues eigenvectors")
def linalg_eig(A: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of square matrices, complex. (XLA computes them on the CPU only.)"""
    matrices("linalg.eig", A, square=True)
    return tuple(jnp.linalg.eig(A))  # type: ignore[return-value]


@op("linalg")
def linalg_eigvals(A: Array) -> Array:
    """The eigenvalues of square matrices, complex. (XLA computes them on the CPU only.)"""
    matrices("linalg.eigvals", A, square=True)
    return jnp.linalg.eigvals(A)


def _tolerance(x: Array, values: jax.Array, atol: float | None, rtol: float | None) -> jax.Array:
    """Below which singular values count as zero."""
    if rtol is None:
        eps = jnp.finfo(values.dtype).eps
        rtol = 0.0 if atol else float(eps) * max(x.shape[-2:])
    return jnp.maximum(atol or 0.0, rtol * jnp.max(values, axis=-1, keepdims=True, initial=0))


@op("linalg")
def linalg_pinv(
    A: Array, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Array:
    """The pseudo-inverse; singular values up to `max(atol, rtol * largest)` count as zero."""
    matrices("linalg.pinv", A)
    u, s, vh = jnp.linalg.svd(A, full_matrices=False)
    kept = s > _tolerance(A, s, atol, rtol)
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0).astype(A.dtype)
    return product(jnp.conj(vh.swapaxes(-1, -2)) * inverse[..., None, :], jnp.conj(u.swapaxes(-1, -2)))


@op("torch", "method")
def pinverse(input: Array, rcond: float = 1e-15) -> Array:
    """The pseudo-inverse; singular values up to `rcond` times the largest count as zero."""
    return linalg_pinv(input, rtol=rcond)


@op("linalg", differentiable=False)
def linalg_matrix_rank(
    A: Array, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Array:
    """How many singular values exceed `max(atol, rtol * largest)`."""
    matrices("linalg.matrix_rank", A)
    s = jnp.linalg.svd(A, compute_uv=False)
    return jnp.sum(s > _tolerance(A, s, atol, rtol), axis=-1, dtype=np.int64)


def _power(x: Array, n: int) -> jax.Array:
    matrices_or_integers("linalg.matrix_power", x)
    if n < 0:
        return _power(_inv("linalg.inv", x), -n)
    result = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    square = x
    while n:
        if n & 1:
            result = product(result, square).astype(x.dtype)
        n >>= 1
        if n:
            square = product(square, square).astype(x.dtype)
    return result


def matrices_or_integers(name: str, x: Array) -> None:
    """`matrices`, for what is defined on whole numbers too."""
    if not is_integral(x):
        matrices(name, x, square=True)


@op("torch", "method")
def matrix_power(input: Array, n: int) -> Array:
    """The product of `n` copies of each matrix; of its inverse where `n` is negative."""
    return _power(input, n)


@op("linalg")
def linalg_matrix_power(A: Array, n: int) -> Array:
    """The product of `n` copies of each matrix; of its inverse where `n` is negative."""
    return _power(A, n)


@op("torch", "method", "linalg")
def matrix_exp(input: Array) -> Array:
    """The exponential of each matrix."""
    matrices("linalg.matrix_exp", input, square=True)
    return jax.scipy.linalg.expm(input)


@op("linalg", returns="solution residuals rank singular_values")
def linalg_lstsq(
    A: Array, B: Array, rcond: float | None = None, *, driver: str | None = None
) -> tuple[Array, Array, Array, Array]:
    """`X` that makes `|A X - B|` smallest."""
    matrices("linalg.lstsq", A)
    vector = _is_vector(A, B)
    right = B[..., None] if vector else B
    u, s, vh = jnp.linalg.svd(A, full_matrices=False)
    kept = s > _tolerance(A, s, None, rcond)
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0).astype(A.dtype)
    found = product(jnp.conj(vh.swapaxes(-1, -2)), inverse[..., None] * product(jnp.conj(u.swapaxes(-1, -2)), right))
    rank = jnp.sum(kept, axis=-1, dtype=np.int64)
    residuals = jnp.zeros((0,), s.dtype)
    if A.shape[-2] > A.shape[-1] and driver != "gelsy":
        gap = product(A, found) - right
        residuals = jnp.sum(jnp.real(gap * jnp.conj(gap)), axis=-2)
    values = s if driver in ("gelsd", "gelss") else jnp.zeros((0,), s.dtype)
    return found[..., 0] if vector else found, residuals, rank, values


@op("torch")
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """The powers of each element as a row, the highest first unless `increasing`."""
    return jnp.vander(x, N, increasing=increasing)


@op("linalg")
def linalg_vander(x: Array, *, N: int | None = None) -> Array:
    """The powers of each element as a row, the lowest first."""
    count = x.shape[-1] if N is None else N
    return x[..., None] ** jnp.arange(count, dtype=x.dtype)


def _cross(a: Array, b: Array, axis: int) -> jax.Array:
    x, y = promote(a, b)
    check_broadcast(x, y)
    return jnp.cross(*jnp.broadcast_arrays(x, y), axis=axis)


@op("linalg")
def linalg_cross(input: Array, other: Array, *, dim: int = -1) -> Array:
    """The cross product of vectors of length 3 along `dim`."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrap_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. "
            f"Got {input.shape[axis]} and {other.shape[axis]}"
        )
    return _cross(input, other, axis)


@op("torch", "method")
def cross(input: Array, other: Array, dim: int | None = None) -> Array:
    """The cross product along `dim`, or along the first dimension of size 3."""
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim)


@op("linalg")
def linalg_vecdot(x: Array, y: Array, *, dim: int = -1) -> Array:
    """The sums of products along `dim`, the first factor conjugated."""
    check_broadcast(x, y)
    a, b = promote(x, y)
    return jnp.sum(jnp.conj(a) * b, axis=dim, dtype=a.dtype)


@op("linalg")
def linalg_cond(A: Array, p: float | str | None = None) -> Array:
    """The condition number: the norm of a matrix times that of its inverse."""
    matrices("linalg.cond", A)
    if p in (None, 2, -2):
        s = jnp.linalg.svd(A, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return cast(jnp.linalg.cond(A, p=p), dtype_of(A).to_real())


@op("linalg", returns="P L U")
def linalg_lu(A: Array, *, pivot: bool = True) -> tuple[Array, Array, Array]:
    """A permutation `P`, a lower `L` and an upper triangular `U` with `P L U = A`."""
    matrices("linalg.lu", A)
    return tuple(jax.scipy.linalg.lu(A))  # type: ignore[return-value]
