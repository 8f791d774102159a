"""Factorizations that fix no signs, singular matrices, norms of the empty, and orders with ties."""

import numpy as np
import pytest
import torch

import torchcompat
from tests._both import both
from tests._parity import assert_close, to_ours

MATRICES = [(5, 5), (4, 6), (6, 4), (2, 3, 3)]


def matrix(size, seed=0, kind=torch.float64):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=kind)


def values(x):
    return np.asarray(x)


@pytest.mark.parametrize("kind", [torch.float64, torch.complex64])
@pytest.mark.parametrize("size", MATRICES)
def test_singular_value_decomposition(size, kind):
    x = to_ours(matrix(size, kind=kind))
    for full in (False, True):
        u, s, vh = torchcompat.linalg.svd(x, full_matrices=full)
        theirs = torch.linalg.svd(matrix(size, kind=kind), full_matrices=full)
        assert_close(s, theirs.S)
        assert u.shape == theirs.U.shape and vh.shape == theirs.Vh.shape
        k = s.shape[-1]
        again = values(u)[..., :k] * values(s)[..., None, :] @ values(vh)[..., :k, :]
        np.testing.assert_allclose(
            again, values(x), atol=1e-5 if kind is torch.complex64 else 1e-12
        )
    u, s, v = torchcompat.svd(x)
    again = values(u) * values(s)[..., None, :] @ values(v).conj().swapaxes(-1, -2)
    np.testing.assert_allclose(again, values(x), atol=1e-5 if kind is torch.complex64 else 1e-12)


def test_eigenvectors():
    x = matrix((4, 4))
    held = to_ours(x)
    found, vectors = torchcompat.linalg.eig(held)
    np.testing.assert_allclose(
        values(held) @ values(vectors), values(vectors) * values(found), atol=1e-12
    )
    for half in "LU":
        found, vectors = torchcompat.linalg.eigh(held, half)
        assert_close(found, torch.linalg.eigh(x, half).eigenvalues)
        used = np.tril(x) + np.tril(x, -1).T if half == "L" else np.triu(x) + np.triu(x, 1).T
        np.testing.assert_allclose(
            used @ values(vectors), values(vectors) * values(found), atol=1e-12
        )


@both
def test_singular_and_indefinite(t):
    singular, indefinite = t.tensor([[1.0, 2.0], [2.0, 4.0]]), t.tensor([[1.0, 2.0], [2.0, 1.0]])
    batch = t.stack([indefinite, singular])
    for call in (
        lambda: t.linalg.inv(singular),
        lambda: t.linalg.inv(batch),
        lambda: t.inverse(t.zeros(2, 2)),
        lambda: t.linalg.solve(singular, t.ones(2)),
        lambda: t.linalg.cholesky(indefinite),
        lambda: indefinite.cholesky(),
        lambda: t.linalg.inv(t.ones(2, 3)),
        lambda: t.linalg.inv(t.ones(2, 2, dtype=t.int64)),
    ):
        try:
            call()
        except RuntimeError as error:
            yield str(error)
    yield t.linalg.inv(indefinite)


@both
def test_norms(t):
    x = t.tensor([[1.0, -2.0], [3.0, 4.0]])
    for p in ("fro", "nuc", 0, 1, 2, 3, float("inf"), -float("inf")):
        yield x.norm(p), x.norm(p, dim=(0, 1), keepdim=True)
    yield t.norm(x, dim=1), x.norm(dtype=t.float64), t.dist(x, 2 * x, 1)
    for p in ("fro", "nuc", 1, -1, 2, -2, float("inf")):
        yield t.linalg.matrix_norm(x, p), t.linalg.cond(x, p)
    still = t.zeros(3, requires_grad=True)
    still.norm().backward()
    yield still.grad


@both
def test_einsum(t):
    a, b = t.arange(6.0).reshape(2, 3), t.arange(12.0).reshape(3, 4)
    yield (
        t.einsum("ij,jk->ik", a, b),
        t.einsum("ij->ji", a),
        t.einsum("ij", a),
        t.einsum("ii", b[:, :3]),
    )
    yield (
        t.einsum(a, [0, 1], b, [1, 2], [0, 2]),
        t.einsum("...j,jk->...k", a, b),
        t.einsum("i,j", a[0], b[0]),
    )
    for equation, operands in (("ij,jk", (a, a)), ("ij", (a[0],)), ("i-", (a[0],))):
        try:
            t.einsum(equation, *operands)
        except RuntimeError as error:
            yield str(error)


def test_products_are_true_float32():
    x, y = matrix((64, 64), 1, torch.float32), matrix((64, 64), 2, torch.float32)
    exact = x.double() @ y.double()
    found = values(to_ours(x) @ to_ours(y))
    assert np.abs(found - exact.numpy()).max() < 1e-4


@pytest.mark.parametrize("kind", [torch.float32, torch.int64, torch.bfloat16, torch.uint8])
def test_orders_of_distinct_elements(kind):
    shuffled = (
        torch.randperm(60, generator=torch.Generator().manual_seed(5)).reshape(5, 12).to(kind)
    )
    held = to_ours(shuffled)
    for dim in (0, 1):
        for name, args in (
            ("sort", (dim,)),
            ("sort", (dim, True)),
            ("topk", (3, dim)),
            ("topk", (3, dim, False)),
            ("kthvalue", (2, dim)),
            ("median", (dim,)),
            ("mode", (dim,)),
            ("cummax", (dim,)),
        ):
            theirs, ours = getattr(shuffled, name)(*args), getattr(held, name)(*args)
            for a, b in zip(ours, theirs, strict=True):
                assert_close(a, b, f"{name}{args}")
        assert_close(held.argsort(dim), shuffled.argsort(dim))


def test_stable_orders():
    x = torch.tensor([3.0, float("nan"), 1.0, 3.0, -0.0, 0.0, 1.0, float("nan"), -float("inf")])
    for descending in (False, True):
        theirs = torch.sort(x, stable=True, descending=descending)
        for a, b in zip(torchcompat.sort(to_ours(x), descending=descending), theirs, strict=True):
            assert_close(a, b)
    for largest in (False, True):
        assert_close(to_ours(x).topk(4, largest=largest)[0], x.topk(4, largest=largest)[0])
