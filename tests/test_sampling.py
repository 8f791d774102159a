"""The random functions and methods draw torch's numbers, in torch's order, bit for bit."""

import jax
import numpy as np
import pytest
import torch

import torchcompat
from tests._both import attempt, both, plain
from tests._parity import assert_equal

CASES = """
t.rand(2, 3) | t.rand(()) | t.rand(size=(2,)) | t.rand(40) | t.rand(3, dtype=t.float64)
t.randn(5, 7) | t.randn(3) | t.randn(4, dtype=t.complex64) | t.randn(33, dtype=t.float16)
t.randint(3, (4,)) | t.randint(2, 9, (4,)) | t.randint(low=0, high=4, size=(2,))
t.randint(9, (2,), dtype=t.float32) | t.randint(10, size=(2,)) | t.randperm(6)
t.randperm(5, dtype=t.int32) | t.rand_like(t.zeros(3)) | t.randn_like(t.zeros(20))
t.randint_like(t.zeros(3), 5) | t.randint_like(t.zeros(3), 2, 5) | t.normal(0., 2., (20,))
t.normal(t.ones(20), 2.) | t.normal(0., t.ones(3)) | t.normal(t.ones(2), t.ones(2))
t.normal(mean=1., std=2., size=(2,)) | t.bernoulli(t.ones(4) * .5) | t.bernoulli(t.zeros(5), 0.4)
t.multinomial(t.ones(4), 2) | t.multinomial(t.ones(2, 4), 3, True)
t.zeros(3, 4).t().uniform_(1, 2) | t.zeros(6, 4).transpose(0, 1).normal_()
t.zeros(5).normal_(mean=1, std=2) | t.zeros(5).random_(7) | t.zeros(5).random_()
t.zeros(5).random_(2, 5) | t.zeros(5, dtype=t.int64).random_(to=7) | t.zeros(()).uniform_()
t.zeros(5).bernoulli_(0.3) | t.zeros(5).bernoulli_(t.ones(5) * .4)
t.zeros(5).exponential_(lambd=2) | t.zeros(5).geometric_(0.2) | t.zeros(5).log_normal_(std=1)
t.zeros(5).cauchy_() | t.zeros(5).bernoulli(0.4)
t.rand(3, generator=t.Generator().manual_seed(4)) | t.rand(2, out=t.zeros(2))
t.zeros(4)[::2].uniform_()
"""
ERRORS = """
t.rand(2, dtype=t.int64) | t.randint(5, 3, (2,)) | t.normal(t.zeros(2), -1.) | t.randperm(-1)
t.rand(-1) | t.bernoulli(t.zeros(2) + 2) | t.zeros(2).uniform_(1, 0) | t.zeros(2).normal_(0, -1)
t.manual_seed('a') | t.empty(2, requires_grad=True).normal_() | t.multinomial(t.ones(2), 3)
t.zeros(2).exponential_(-1) | t.normal(t.zeros(2), t.ones(3)) | t.zeros(2).geometric_(2.)
t.rand(2, device='meta').shape
"""


def cases(text):
    return [c.strip() for line in filter(None, text.splitlines()) for c in line.split(" | ")]


@pytest.mark.parametrize("case", cases(CASES))
def test_bits(case):
    results = []
    for library in (torch, torchcompat):
        library.manual_seed(3)
        results.append(eval(case, {"t": library}))
    assert_equal(results[1], results[0].contiguous(), case)
    np.testing.assert_array_equal(
        np.asarray(torchcompat.get_rng_state()), torch.get_rng_state().numpy()
    )


@pytest.mark.parametrize("case", cases(ERRORS))
def test_errors(case):
    theirs, ours = (
        attempt(lambda lib=library: plain(eval(case, {"t": lib})))
        for library in (torch, torchcompat)
    )
    assert ours == theirs


@both
def test_state(t):
    t.manual_seed(7)
    state = t.get_rng_state()
    first = t.rand(3)
    t.set_rng_state(state)
    yield state, first, t.rand(3), t.initial_seed()
    with t.random.fork_rng():
        t.rand(100)
    yield t.rand(2)
    generator = t.Generator().manual_seed(1)
    yield t.randn(3, generator=generator), generator.initial_seed(), generator.get_state()
    yield t.rand(2, requires_grad=True), t.zeros(3).uniform_()._version


def test_arrays_in_arrays_out():
    assert isinstance(torchcompat.rand_like(jax.numpy.ones(3)), jax.Array)

    @jax.jit
    def noise(key, x):
        with torchcompat.random.rng_key(key):
            return torchcompat.rand_like(x) + torchcompat.randn(3)._read()

    key = jax.random.key(0)
    a, b = noise(key, jax.numpy.ones(3)), noise(jax.random.key(1), jax.numpy.ones(3))
    assert not np.array_equal(a, b) and np.array_equal(a, noise(key, jax.numpy.ones(3)))


def test_poisson_has_its_mean():
    torchcompat.manual_seed(0)
    counts = np.asarray(torchcompat.poisson(torchcompat.full((4000,), 4.0)))
    assert abs(counts.mean() - 4) < 0.2 and abs(counts.var() - 4) < 0.5
