"""LU and LDL factors, what is solved by them, and Householder products, against LAPACK in torch."""

import numpy as np
import pytest
import torch

import torchcompat
from tests._both import both
from tests._parity import assert_close, to_ours

KINDS = [torch.float64, torch.complex64]


def matrix(size, kind, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=kind)


def alike(mine, theirs, factor=20.0):
    for a, b in zip(mine, theirs, strict=True):
        assert_close(a, b, factor=factor)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(4, 4), (2, 3, 5), (5, 3), (0, 3), (2, 0, 0)])
def test_lu(size, kind):
    a = matrix(size, kind)
    held = to_ours(a)
    alike(torchcompat.linalg.lu_factor(held), torch.linalg.lu_factor(a))
    alike(torchcompat.linalg.lu(held), torch.linalg.lu(a))
    found = torchcompat.linalg.lu_factor_ex(held)
    alike(found, torch.linalg.lu_factor_ex(a))
    packed, pivots, _ = torch.linalg.lu_factor_ex(a)
    for data in (True, False):
        for places in (True, False):
            alike(
                torchcompat.lu_unpack(found.LU, found.pivots, data, places),
                torch.lu_unpack(packed, pivots, data, places),
            )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve(left, adjoint, kind):
    packed, pivots = torch.linalg.lu_factor(matrix((2, 3, 3), kind))
    b = matrix((4, 1, 3, 3), kind, 1)
    found = torchcompat.linalg.lu_solve(*to_ours((packed, pivots, b)), left=left, adjoint=adjoint)
    alike([found], [torch.linalg.lu_solve(packed, pivots, b, left=left, adjoint=adjoint)])


@pytest.mark.parametrize("hermitian", [True, False])
@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_ldl(n, kind, hermitian):
    a = matrix((6, n, n), kind)
    a = a + (a.mH if hermitian else a.mT)
    a[0] *= torch.eye(n) == 0  # a diagonal of zeros asks for blocks of 2
    a[1, 0], a[1, :, 0] = 0, 0  # and a column of zeros for none
    found = torchcompat.linalg.ldl_factor_ex(to_ours(a), hermitian=hermitian)
    alike(found, torch.linalg.ldl_factor_ex(a, hermitian=hermitian))
    b = matrix((6, n, 2), kind, 1)[2:]
    packed, pivots, _ = torch.linalg.ldl_factor_ex(a, hermitian=hermitian)
    solved = torchcompat.linalg.ldl_solve(
        *to_ours((packed[2:], pivots[2:], b)), hermitian=hermitian
    )
    theirs = torch.linalg.ldl_solve(packed[2:], pivots[2:], b, hermitian=hermitian)
    alike([solved], [theirs], 1e3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("left", [True, False])
def test_ormqr(left, transpose, kind):
    a, tau = torch.geqrf(matrix((2, 5, 3), kind))
    other = matrix((2, 5, 4) if left else (2, 4, 5), kind, 1)
    found = torchcompat.ormqr(*to_ours((a, tau, other)), left, transpose)
    alike([found], [torch.ormqr(a, tau, other, left, transpose)])


@both
def test_what_only_values_tell(t):
    zero = t.zeros(2, 3, 3)
    for call in (
        lambda: t.linalg.inv(zero),
        lambda: t.inverse(zero[0]),
        lambda: t.linalg.inv_ex(zero[0], check_errors=True),
        lambda: t.linalg.solve(zero, t.ones(2, 3)),
        lambda: t.linalg.solve_ex(zero[0], t.ones(3), check_errors=True),
        lambda: t.linalg.lu_factor(zero),
        lambda: t.linalg.lu_factor_ex(zero[0], check_errors=True),
        lambda: t.linalg.lu_factor(zero, pivot=False),
        lambda: t.linalg.cholesky(t.tensor([[[1.0, 2.0], [2.0, 1.0]]])),
        lambda: t.linalg.cholesky_ex(t.tensor([[1.0, 2.0], [2.0, 1.0]]), check_errors=True),
        lambda: t.linalg.lu_solve(t.eye(3), t.tensor([1, 2, 9]).int(), t.ones(3, 2)),
        lambda: t.linalg.tensorinv(t.ones(2, 3, 6), 0),
        lambda: t.linalg.tensorinv(t.ones(2, 3, 5), 2),
        lambda: t.linalg.tensorsolve(t.ones(2, 3, 6), t.ones(5)),
    ):
        try:
            call()
        except RuntimeError as error:
            yield str(error)
    for call in (t.linalg.inv_ex, t.linalg.cholesky_ex, t.linalg.lu_factor_ex):
        yield call(zero).info
    yield t.linalg.cholesky_ex(t.tensor([[2.0, 1, 0], [1, 2, 0], [0, 0, -1]])).info


@both
def test_tensors_as_matrices(t):
    a = t.arange(36.0).reshape(2, 3, 6) ** 2 % 17 + t.eye(6).reshape(2, 3, 6)
    yield t.linalg.tensorinv(a)
    yield t.linalg.tensorsolve(a, t.ones(2, 3))
    yield t.linalg.tensorsolve(a.movedim(0, 2), t.ones(2, 3), dims=(1,))
    yield t.linalg.diagonal(a, offset=1)


def test_traced_factors_raise_nothing():
    import jax

    solve = jax.jit(lambda a: torchcompat.linalg.inv(a))
    with np.errstate(all="ignore"):
        assert not np.isfinite(np.asarray(solve(jax.numpy.zeros((2, 2))))).all()


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("general", [True, False])
def test_lobpcg(general, largest):
    draw = np.random.default_rng(0).standard_normal
    root, other = draw((2, 9, 9)), draw((9, 9))
    A = torchcompat.tensor(root @ root.swapaxes(1, 2))
    B = torchcompat.tensor(other @ other.T + np.eye(9)) if general else None
    values, vectors = torchcompat.lobpcg(
        A, 2, None if B is None else B.expand(2, 9, 9), largest=largest
    )
    right = vectors if B is None else B @ vectors
    np.testing.assert_allclose(A @ vectors, right * values[:, None], atol=1e-9)
    want, _ = torch.lobpcg(
        torch.tensor(np.asarray(A)),
        2,
        None if B is None else torch.tensor(np.asarray(B)).expand(2, 9, 9).contiguous(),
        largest=largest,
        niter=300,
        tol=1e-9,
    )
    np.testing.assert_allclose(values, want, rtol=1e-6)
