"""Singular values and vectors of low rank, from a random sketch of the matrix; a few eigenvectors.

Source: Halko, Martinsson and Tropp, "Finding structure with randomness: probabilistic algorithms for
constructing approximate matrix decompositions", 2009 (algorithms 4.4 and 5.1).
"""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._sampling import randn

__all__ = ["lobpcg", "pca_lowrank", "svd_lowrank"]


def _basis(A: Any, q: int, niter: int, M: Any) -> Any:
    """`q` orthonormal columns that span nearly what `A - M` does, after `niter` power iterations."""

    def times(x: Any, turned: bool) -> Any:
        found = (A.mH if turned else A) @ x
        return found if M is None else found - (M.mH if turned else M) @ x

    sketch = randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    found = ops.linalg_qr(times(sketch, False))[0]
    for _ in range(niter):
        found = ops.linalg_qr(times(found, True))[0]
        found = ops.linalg_qr(times(found, False))[0]
    return found


@lifted
def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> Any:
    """`U`, `S` and `V` with `U diag(S) V^H` close to `A - M`, of rank `q`.

    Args:
        niter: power iterations; more are more exact.
        M: a matrix to subtract, or one row to subtract from each.
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    M = None if M is None else M.expand(A.shape)
    wide = A.shape[-2] < A.shape[-1]
    if wide:
        A, M = A.mH, None if M is None else M.mH
    basis = _basis(A, q, niter, M)
    small = basis.mH @ (A if M is None else A - M)
    U, S, Vh = ops.linalg_svd(small, False)
    left, right = basis @ U, Vh.mH
    return (right, S, left) if wide else (left, S, right)


@lifted
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """The principal components of rows: `U`, `S` and `V` of the (centred) matrix, of rank `q`.

    Raises:
        ValueError: `q` or `niter` is out of range.
    """
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if not center:
        return svd_lowrank(A, q, niter)
    return svd_lowrank(A - A.mean(-2, keepdim=True), q, niter)


@lifted
def lobpcg(
    A: Any,
    k: int | None = None,
    B: Any = None,
    X: Any = None,
    n: int | None = None,
    iK: Any = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: None = None,
    ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> Any:
    """`k` eigenvalues and eigenvectors of `A x = e B x`, from one end of the spectrum.

    torch iterates from a random `X` until it is near enough; here the dense matrix is decomposed, which
    is exact, so what steers the iteration (`X`, `iK`, `niter`, `tol`, `method`, `ortho_*`) has no use.

    Args:
        A: symmetric, (..., m, m); `B` positive definite, or None for the identity.
        k: how many; by default as `X` has columns, or 1.
        largest: whether they are the largest (the default), in falling order, or the smallest, rising.

    Raises:
        AssertionError: `A` is not square.
        ValueError: `m` is less than `3 k`.
        NotImplementedError: `tracker` is given.
    """
    if tracker is not None:
        raise NotImplementedError(f"lobpcg(): tracker={tracker}: nothing is iterated")
    m = A.shape[-1]
    if A.shape[-2] != m:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    k = (1 if X is None else X.shape[-1]) if k is None else k
    if m < 3 * k:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x "
            f"the number of requested eigenpairs (={k})"
        )
    root = None if B is None else ops.linalg_cholesky(B)
    if root is not None:  # e is an eigenvalue of L^-1 A L^-H, whose eigenvectors are L^H x
        A = ops.linalg_solve_triangular(root, A, upper=False)
        A = ops.linalg_solve_triangular(root, A.mH, upper=False)
    values, vectors = ops.linalg_eigh(A)
    if largest is None or largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    values, vectors = values[..., :k], vectors[..., :k]
    if root is not None:
        vectors = ops.linalg_solve_triangular(root.mH, vectors, upper=True)
    return values, vectors
