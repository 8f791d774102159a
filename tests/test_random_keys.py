"""Random numbers under tracing: where the key comes from, and what the traced forms give."""

from __future__ import annotations

import math
import threading

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import numpy as jnp
from scipy import stats

from torchcompat import _random
from torchcompat._random import (
    DISTRIBUTIONS,
    Generator,
    UncarriedKeyError,
    fork_rng,
    is_staging,
    rng_key,
    sample,
)

PROBS = np.array([0.1, 0.0, 0.4, 0.5], np.float32)
# One row a use of a distribution: its parameters, and the distribution's own function.
CONTINUOUS = [
    ("uniform", {"low": -1.0, "high": 3.0}, stats.uniform(-1, 4).cdf),
    ("normal", {"mean": 1.0, "std": 2.0}, stats.norm(1, 2).cdf),
    ("log_normal", {"mean": 0.2, "std": 0.5}, stats.lognorm(0.5, scale=math.exp(0.2)).cdf),
    ("trunc_normal", {"a": -1.0, "b": 0.5}, stats.truncnorm(-1, 0.5).cdf),
    ("trunc_normal", {"a": 4.0, "b": 5.0}, stats.truncnorm(4, 5).cdf),
    ("trunc_normal", {"a": -9.0, "b": -6.0}, stats.truncnorm(-9, -6).cdf),
    ("exponential", {"lambd": 0.5}, stats.expon(scale=2).cdf),
    ("cauchy", {"median": 1.0, "sigma": 0.5}, stats.cauchy(1, 0.5).cdf),
]
DISCRETE = [
    ("random", {"low": -2, "high": 3}, dict.fromkeys(range(-2, 3), 0.2)),
    ("bernoulli", {"p": 0.3}, {0: 0.7, 1: 0.3}),
    ("bernoulli", {"p": np.float32(0.3).reshape(1)}, {0: 0.7, 1: 0.3}),
    ("geometric", {"p": 0.5}, {n: 0.5**n for n in range(1, 8)}),
    ("multinomial", {"probs": PROBS, "replacement": True}, {0: 0.1, 1: 0.0, 2: 0.4, 3: 0.5}),
]
HALVES = [np.float16, ml_dtypes.bfloat16]
KEY = jax.random.key(0)


def traced(name, shape, dtype, key=KEY, **params):
    """The numbers of `key`, drawn while tracing."""

    def draw(key):
        with rng_key(key):
            return sample(name, None, shape, dtype, **params)

    return jax.jit(draw)(key)


# -- the traced forms ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "params", "cdf"), CONTINUOUS)
def test_continuous_distributions(name, params, cdf):
    for dtype in (np.float32, np.float64):
        got = traced(name, (20000,), dtype, **params)
        assert isinstance(got, jax.Array) and got.dtype == dtype and got.shape == (20000,)
        assert stats.kstest(np.asarray(got), cdf).pvalue > 1e-3


@pytest.mark.parametrize(("name", "params", "chances"), DISCRETE)
def test_discrete_distributions(name, params, chances):
    got = np.asarray(traced(name, (20000,), np.int64, **params))
    assert got.dtype == np.int64
    for value, p in chances.items():
        spread = math.sqrt(p * (1 - p) / got.size)
        assert abs((got == value).mean() - p) <= 4 * spread, value


@pytest.mark.parametrize("name", [row[0] for row in CONTINUOUS[:4]] + ["exponential", "cauchy"])
@pytest.mark.parametrize("dtype", HALVES)
def test_16_bit_types(name, dtype):
    got = traced(name, (3, 50), dtype)
    assert got.dtype == dtype and got.shape == (3, 50)
    assert len(np.unique(np.asarray(got))) > 30


@pytest.mark.parametrize("dtype", HALVES)
def test_uniform_stays_below_its_bound_in_16_bits(dtype):
    got = np.asarray(traced("uniform", (200000,), dtype)).astype(np.float32)
    assert (got >= 0).all() and (got < 1).all()


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_numbers(dtype):
    got = np.asarray(traced("normal", (20000,), dtype, std=2.0))
    assert got.dtype == dtype
    for part in (got.real, got.imag):
        assert stats.kstest(part, stats.norm(0, math.sqrt(2)).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(got.real, got.imag)[0, 1]) < 0.04


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.int8, np.uint8, bool])
def test_integers_reach_both_ends(dtype):
    most = 1 if dtype is bool else np.iinfo(dtype).max
    got = np.asarray(traced("random", (4000,), dtype)).astype(float)
    assert got.min() >= 0 and got.max() <= most and got.max() > 0.95 * most
    whole = np.asarray(traced("random", (4000,), np.int64, low=-(2**63)))
    assert whole.min() < -0.99 * 2**63 and whole.max() > 0.99 * 2**63


def test_permutations():
    got = np.asarray(traced("randperm", (1000,), np.int32))
    assert got.dtype == np.int32 and sorted(got) == list(range(1000)) != list(got)


def test_multinomial_without_replacement():
    probs = np.tile(PROBS, (5000, 1))
    got = np.asarray(traced("multinomial", (5000, 3), np.int64, probs=probs))
    assert all(sorted(row) == [0, 2, 3] for row in got)
    assert abs((got[:, 0] == 3).mean() - 0.5) < 0.03


def test_every_distribution_has_a_test_here():
    tested = {row[0] for row in CONTINUOUS + DISCRETE} | {"randperm"}
    assert tested == set(DISTRIBUTIONS)


# -- host or key -----------------------------------------------------------------------------------


def seen(transform, *args):
    """What `is_staging` says inside of a transformed function."""
    said = []

    def function(x):
        said.append(is_staging())
        return (x * x).sum()

    transform(function)(*args)
    return said[0]


X = np.ones(3, np.float32)
EAGER = {
    "plain": lambda f: f,
    "grad": jax.grad,
    "vmap": jax.vmap,
    "grad of grad": lambda f: lambda x: jax.grad(lambda y: jax.grad(f)(y).sum())(x),
    "hessian": jax.hessian,
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (x,)),
    "vjp": lambda f: lambda x: jax.vjp(f, x),
    "linearize": lambda f: lambda x: jax.linearize(f, x),
}
STAGED = {
    "jit": jax.jit,
    "jit of grad": lambda f: jax.jit(jax.grad(f)),
    "grad of jit": lambda f: jax.grad(jax.jit(f)),
    "vmap of jit": lambda f: jax.vmap(jax.jit(f)),
    "eval_shape": lambda f: lambda x: jax.eval_shape(f, x),
    "make_jaxpr": jax.make_jaxpr,
    "checkpoint": jax.checkpoint,
    "scan": lambda f: lambda x: jax.lax.scan(lambda c, _: (c, f(x)), 0, length=2),
    "cond": lambda f: lambda x: jax.lax.cond(True, f, f, x),
    "export": lambda f: jax.export.export(jax.jit(f)),
}


@pytest.mark.parametrize("name", EAGER)
def test_eager_transforms_draw_on_the_host(name):
    assert seen(EAGER[name], X) is False


@pytest.mark.parametrize("name", STAGED)
def test_staging_is_noticed(name):
    assert seen(STAGED[name], X) is True


def test_untraced_parts_of_a_traced_function():
    def in_compile_time(x):
        with jax.ensure_compile_time_eval():
            assert not is_staging()
        return x

    jax.jit(in_compile_time)(X)
    with jax.disable_jit():
        assert seen(jax.jit, X) is False


def test_grad_and_vmap_of_eager_code_have_the_numbers_of_torch():
    def noisy(x):
        return (x * sample("normal", None, (3,), np.float32)).sum()

    _random.manual_seed(0)
    want = sample("normal", None, (3,), np.float32)
    _random.manual_seed(0)
    np.testing.assert_array_equal(jax.grad(noisy)(X), want)
    _random.manual_seed(0)
    np.testing.assert_array_equal(jax.vmap(jax.grad(noisy))(X[None]), want[None])


def test_a_traced_parameter_takes_the_key_of_the_generator():
    generator = Generator().manual_seed(1)
    before = np.asarray(generator.get_state())
    draw = lambda p: sample("bernoulli", generator, (500,), np.float32, p=p)  # noqa: E731
    got = jax.vmap(draw)(np.array([0.0, 0.5, 1.0], np.float32))
    assert got[0].sum() == 0 and 150 < got[1].sum() < 350 and got[2].sum() == 500
    after = np.asarray(generator.get_state())
    assert (before[2048:] == after[2048:]).all() and (before != after).any()


@pytest.mark.parametrize("carried", [False, True])
def test_a_program_that_carries_no_key_is_refused(carried):
    generator = Generator().manual_seed(1)
    before = np.asarray(generator.get_state())
    text = r"random numbers inside jax.jit need a key: .*`with torchcompat.random.rng_key\(key\):`"
    _random.state.carried_keys = carried
    try:
        with pytest.raises(RuntimeError, match=text) as error:
            jax.jit(lambda: sample("normal", generator, (3,), np.float32))()
    finally:
        _random.state.carried_keys = False
    assert isinstance(error.value, UncarriedKeyError) and error.value.cell is generator.key_cell
    np.testing.assert_array_equal(generator.get_state(), before)


def test_a_carried_key_is_state():
    """What compile does: the key goes in as an argument and comes out as a result."""
    generator = Generator().manual_seed(7)

    @jax.jit
    def program(key):
        before, generator.key_cell.value = generator.key_cell.value, key
        _random.state.carried_keys = True
        try:
            draws = [sample("normal", generator, (3,), np.float32) for _ in range(2)]
            return draws, generator.key_cell.value
        finally:
            _random.state.carried_keys = False
            generator.key_cell.value = before

    def run():
        draws, generator.key_cell.value = program(generator.key_cell.value)
        return np.array(draws)

    first, second = run(), run()
    assert len(np.unique([first, second])) == 12
    generator.manual_seed(7)
    np.testing.assert_array_equal(run(), first)
    state = generator.get_state()
    np.testing.assert_array_equal(run(), second)
    generator.set_state(state)
    np.testing.assert_array_equal(run(), second)
    generator.manual_seed(8)
    assert (run() != first).all()


def test_seeds_of_64_bits_give_different_keys():
    keys = {tuple(Generator().manual_seed(seed).key_cell.value) for seed in (0, 1, 2**32, -1)}
    assert len(keys) == 4
    value = Generator().manual_seed(5).key_cell.value
    assert value.dtype == np.uint32 and value.shape == (2,)


def test_fork_rng_while_tracing():
    generator = _random.manual_seed(3)

    @jax.jit
    def program(key):
        before, generator.key_cell.value = generator.key_cell.value, key
        with fork_rng():
            generator.key_cell.value = key + 1
        kept = generator.key_cell.value is key
        generator.key_cell.value = before
        return jnp.asarray(kept)

    assert program(generator.key_cell.value)


def test_bytes_of_a_traced_key_are_refused():
    generator = Generator()

    def program(key):
        generator.key_cell.value = key
        return generator.get_state()

    with pytest.raises(RuntimeError, match="cannot be read while JAX is tracing"):
        jax.jit(program)(jnp.zeros(2, jnp.uint32))


# -- rng_key ---------------------------------------------------------------------------------------


def test_rng_key_in_eager_code():
    state = np.asarray(_random.get_rng_state())
    with rng_key(KEY):
        first = sample("normal", None, (3,), np.float32)
        second = sample("normal", Generator(), (3,), np.float32)
    assert isinstance(first, jax.Array) and (first != second).all()
    np.testing.assert_array_equal(_random.get_rng_state(), state)
    np.testing.assert_allclose(first, traced("normal", (3,), np.float32), rtol=1e-6)
    assert type(sample("normal", None, (3,), np.float32)) is np.ndarray


def test_rng_key_takes_keys_of_both_kinds():
    with rng_key(jax.random.PRNGKey(0)):
        old = sample("uniform", None, (3,), np.float32)
    with rng_key(KEY):
        new = sample("uniform", None, (3,), np.float32)
    np.testing.assert_array_equal(old, new)


def test_rng_key_gives_each_call_the_numbers_of_its_key():
    one, other = jax.random.split(KEY)
    a, b, c = (np.asarray(traced("uniform", (3,), np.float32, key)) for key in (one, other, one))
    assert (a == c).all() and (a != b).all()


def test_rng_keys_nest_and_end():
    with rng_key(KEY):
        outer = sample("uniform", None, (3,), np.float32)
        with pytest.raises(KeyError), rng_key(KEY):
            np.testing.assert_array_equal(sample("uniform", None, (3,), np.float32), outer)
            raise KeyError
        assert (sample("uniform", None, (3,), np.float32) != outer).all()
    assert _random.state.rng_key is None


def test_rng_key_around_a_jitted_call_warns():
    draw = jax.jit(lambda: sample("uniform", None, (3,), np.float32))
    with rng_key(KEY):
        with pytest.warns(UserWarning, match="becomes a constant of the program"):
            first = draw()
        # No tracer has been left behind.
        assert (sample("uniform", None, (3,), np.float32) != first).all()


def test_modes_belong_to_a_thread():
    kinds = []
    with rng_key(KEY):
        other = threading.Thread(
            target=lambda: kinds.append(type(sample("uniform", None, (3,), np.float32)))
        )
        other.start()
        other.join()
    assert kinds == [np.ndarray]


def test_the_global_flags_are_left_alone():
    with rng_key(KEY):
        assert sample("normal", None, (3,), np.float64).dtype == np.float64
    assert jnp.zeros(2).dtype == np.float32
