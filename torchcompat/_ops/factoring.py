"""Factoring matrices: Cholesky, QR, singular values, eigenvalues, LU, and what rests on them."""

from __future__ import annotations

import functools

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import cast, dtype_of
from torchcompat._ops._registry import Array, Number, op
from torchcompat._ops.linalg import aligned, is_vector, matrices
from torchcompat._ops.products import product

Bound = Number | Array | None


def _cholesky(name: str, x: Array, upper: bool) -> jax.Array:
    matrices(name, x, square=True)
    # torch reads the half that it is asked to write.
    found = lax.linalg.cholesky(mirrored(x, not upper), symmetrize_input=False)
    return _dagger(found) if upper else found


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def mirrored(x: jax.Array, lower: bool) -> jax.Array:
    """The Hermitian matrix of which `x` holds the lower or the upper half."""
    half = jnp.tril(x) if lower else _dagger(jnp.triu(x))
    return jnp.tril(half, -1) + _dagger(half)


@mirrored.defjvp
def _mirrored_jvp(lower: bool, primals: tuple, tangents: tuple) -> tuple:
    """Both halves count alike, as if the matrix had been Hermitian to begin with: so does torch."""
    (x,), (step,) = primals, tangents
    return mirrored(x, lower), (step + _dagger(step)) / 2


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
    failed = jnp.any(jnp.isnan(found), (-2, -1))
    if not A.size:
        return found, jnp.zeros(failed.shape, np.int32)
    minors = functools.partial(_first_bad_minor, lower=not upper)
    none = jnp.zeros(failed.shape, np.int32)
    order = lax.cond(jnp.any(failed), minors, lambda x: none, lax.stop_gradient(A))
    return found, jnp.where(failed, jnp.maximum(order, 1), 0)


def _first_bad_minor(x: jax.Array, lower: bool) -> jax.Array:
    """The order of the first leading minor that is not positive, or 0."""
    n = x.shape[-1]
    place = jnp.arange(n)

    def step(left: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
        pivot = jnp.take(left[..., k], k, axis=-1).real
        column = jnp.where(place > k, left[..., k], 0)
        safe = jnp.where(pivot > 0, pivot, 1)[..., None, None]
        rank_one = column[..., :, None] * jnp.conj(column)[..., None, :] / safe
        return left - rank_one, ~(pivot > 0)

    bad = jnp.moveaxis(lax.scan(step, mirrored(x, lower), place)[1], 0, -1)
    return jnp.where(jnp.any(bad, -1), jnp.argmax(bad, -1) + 1, 0).astype(np.int32)


@op("torch", "method")
def cholesky_solve(input: Array, input2: Array, upper: bool = False) -> Array:
    """`X` with `A X = input`, given the Cholesky factor `input2` of `A`."""
    return _by_cholesky(*aligned(input2, input), upper)


@op("torch", "method")
def cholesky_inverse(input: Array, upper: bool = False) -> Array:
    """The inverse of `A`, given its Cholesky factor."""
    eye = jnp.broadcast_to(jnp.eye(input.shape[-1], dtype=input.dtype), input.shape)
    return _by_cholesky(input, eye, upper)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _by_cholesky(factor: jax.Array, b: jax.Array, upper: bool) -> jax.Array:
    return jax.scipy.linalg.cho_solve((factor, not upper), b)


@_by_cholesky.defjvp
def _by_cholesky_jvp(upper: bool, primals: tuple, tangents: tuple) -> tuple:
    """The slope of a whole matrix `L` in `L L^H`, not of its triangle alone: so torch has it."""
    (factor, b), (step, change) = primals, tangents
    found = _by_cholesky(factor, b, upper)
    half = (
        product(_dagger(step), jnp.triu(factor))
        if upper
        else product(step, _dagger(jnp.tril(factor)))
    )
    moved = product(half + _dagger(half), found)
    return found, _by_cholesky(factor, change - moved, upper)


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
    return tuple(jnp.linalg.eigh(mirrored(A, UPLO.upper() == "L"), symmetrize_input=False))  # type: ignore[return-value]


@op("linalg")
def linalg_eigvalsh(A: Array, UPLO: str = "L") -> Array:
    """The eigenvalues of Hermitian matrices, in rising order."""
    matrices("linalg.eigvalsh", A, square=True)
    return jnp.linalg.eigh(mirrored(A, UPLO.upper() == "L"), symmetrize_input=False)[0]


@op("linalg", returns="eigenvalues eigenvectors")
def linalg_eig(A: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of square matrices, complex. (XLA: on the CPU only.)"""
    matrices("linalg.eig", A, square=True)
    return tuple(jnp.linalg.eig(A))  # type: ignore[return-value]


@op("linalg")
def linalg_eigvals(A: Array) -> Array:
    """The eigenvalues of square matrices, complex. (XLA: on the CPU only.)"""
    matrices("linalg.eigvals", A, square=True)
    return jnp.linalg.eigvals(A)


def _tolerance(x: Array, values: jax.Array, atol: Bound, rtol: Bound) -> jax.Array:
    """Up to which singular values count as zero."""
    if rtol is None:
        given = atol is not None and not (isinstance(atol, (int, float)) and atol == 0)
        rtol = 0.0 if given else float(jnp.finfo(values.dtype).eps) * max(x.shape[-2:])
    floor, share = (
        jnp.asarray(0.0 if bound is None else bound).astype(values.dtype)[..., None]
        for bound in (atol, rtol)
    )
    return jnp.maximum(floor, share * jnp.max(values, axis=-1, keepdims=True, initial=0))


def _singular(x: Array, hermitian: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`U`, singular values and `V^H`; of Hermitian matrices by their eigenvalues."""
    if not hermitian:
        return tuple(jnp.linalg.svd(x, full_matrices=False))  # type: ignore[return-value]
    values, vectors = jnp.linalg.eigh(mirrored(x, True), symmetrize_input=False)
    return vectors * jnp.sign(values)[..., None, :], jnp.abs(values), _dagger(vectors)


def _dagger(x: jax.Array) -> jax.Array:
    """The conjugate transpose."""
    return jnp.conj(x.swapaxes(-1, -2))


def _inverted(s: jax.Array, kept: jax.Array, like: Array) -> jax.Array:
    return jnp.where(kept, 1 / jnp.where(kept, s, 1), 0).astype(like.dtype)


@op("linalg")
def linalg_pinv(
    A: Array,
    rcond: Number | Array | None = None,
    hermitian: bool = False,
    *,
    atol: Number | Array | None = None,
    rtol: Number | Array | None = None,
) -> Array:
    """The pseudo-inverse; singular values up to `max(atol, rtol * largest)` count as zero.

    Args:
        rcond: the older name of `rtol`.
        hermitian: the matrices are Hermitian, and their lower half is read.
    """
    matrices("linalg.pinv", A)
    if 0 in A.shape:
        return jnp.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    return _pseudo_inverse(A, atol, rcond if rtol is None else rtol, hermitian)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _pseudo_inverse(x: jax.Array, atol: Bound, rtol: Bound, hermitian: bool) -> jax.Array:
    u, s, vh = _singular(x, hermitian)
    kept = s > _tolerance(x, s, atol, rtol)
    return product(_dagger(vh) * _inverted(s, kept, x)[..., None, :], _dagger(u))


@_pseudo_inverse.defjvp
def _pseudo_inverse_jvp(hermitian: bool, primals: tuple, tangents: tuple) -> tuple:
    """By the inverse itself, since singular vectors have no slope where singular values meet.

    Source: Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", 1973.
    """
    x, step = primals[0], tangents[0]
    p = _pseudo_inverse(*primals, hermitian)
    left = jnp.eye(x.shape[-2], dtype=x.dtype) - product(x, p)
    right = jnp.eye(x.shape[-1], dtype=x.dtype) - product(p, x)
    change = product(product(p, _dagger(p)), product(_dagger(step), left))
    change += product(product(right, _dagger(step)), product(_dagger(p), p))
    return p, change - product(p, product(step, p))


@op("torch", "method")
def pinverse(input: Array, rcond: float = 1e-15) -> Array:
    """The pseudo-inverse; singular values up to `rcond` times the largest count as zero."""
    return linalg_pinv(input, rcond)


@op("linalg", differentiable=False)
def linalg_matrix_rank(
    A: Array,
    tol: Number | Array | None = None,
    hermitian: bool = False,
    *,
    atol: Number | Array | None = None,
    rtol: Number | Array | None = None,
) -> Array:
    """How many singular values exceed `max(atol, rtol * largest)`.

    Args:
        tol: the older form: an absolute bound.
    """
    matrices("linalg.matrix_rank", A)
    s = _singular(A, hermitian)[1]
    if tol is not None:
        atol, rtol = tol, 0.0
    return jnp.sum(s > _tolerance(A, s, atol, rtol), axis=-1, dtype=np.int64)


@op("linalg", returns="solution residuals rank singular_values")
def linalg_lstsq(
    A: Array, B: Array, rcond: float | None = None, *, driver: str | None = None
) -> tuple[Array, Array, Array, Array]:
    """`X` that makes `|A X - B|` smallest, by singular values whatever the `driver`.

    Args:
        rcond: singular values up to `rcond` times the largest count as zero.
        driver: says which of the further results are filled, as in torch.
    """
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    matrices("linalg.lstsq", A)
    vector = is_vector(A, B)
    right = B[..., None] if vector else B
    u, s, vh = _singular(A, False)
    kept = s > _tolerance(A, s, None, rcond)
    scaled = _inverted(s, kept, A)[..., None] * product(_dagger(u), right)
    found = product(_dagger(vh), scaled)
    none = jnp.zeros((0,), s.dtype)
    rank = jnp.sum(kept, axis=-1, dtype=np.int64) if driver != "gels" else none.astype(np.int64)
    residuals = none
    if A.shape[-2] > A.shape[-1] and driver not in (None, "gelsy"):
        gap = product(A, found) - right
        residuals = jnp.sum(jnp.real(gap * jnp.conj(gap)), axis=-2)
    values = s if driver in ("gelsd", "gelss") else none
    return found[..., 0] if vector else found, residuals, rank, values


@op("linalg")
def linalg_cond(A: Array, p: float | str | None = None) -> Array:
    """The condition number: the norm of a matrix times that of its inverse."""
    matrices("linalg.cond", A)
    if 0 in A.shape[-2:]:
        return jnp.zeros(A.shape[:-2], dtype_of(A).to_real().numpy)
    if p in (None, 2, -2):
        s = jnp.linalg.svd(A, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return cast(jnp.linalg.cond(A, p=p), dtype_of(A).to_real())
