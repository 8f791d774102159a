"""Host generators against torch: numbers and states byte for byte, errors word for word."""

from __future__ import annotations

import copy
import functools
import math
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from _generators import FLOATS, INTEGERS, NUMPY, assert_same_state, bits, pair, state_of
from hypothesis import given, settings
from hypothesis import strategies as st

import torchcompat
from torchcompat import _random
from torchcompat._random import Generator, _arithmetic, _host, sample

SIZES = (0, 1, 15, 16, 17, 31, 1000)
LARGE = 2**20 + 5


class Draw(NamedTuple):
    """One way to draw: in torch, and the row and parameters here."""

    torch: Callable[..., torch.Tensor]
    name: str
    params: dict[str, Any]
    dtypes: tuple[str, ...]


def inplace(method: str, *args: Any, row: str = "", dtypes: Any = FLOATS, **params: Any) -> Draw:
    def draw(shape, dtype, generator):
        empty = torch.empty(shape, dtype=dtype)
        return getattr(empty, method)(*args, generator=generator)

    return Draw(draw, row or method.strip("_"), params, dtypes)


def trunc(**params: float) -> Draw:
    def draw(shape, dtype, generator):
        empty = torch.empty(shape, dtype=dtype)
        return torch.nn.init.trunc_normal_(empty, generator=generator, **params)

    return Draw(draw, "trunc_normal", params, FLOATS)


def like(function: Callable, name: str, dtypes: tuple[str, ...], **params: Any) -> Draw:
    def draw(shape, dtype, generator):
        return function(shape, dtype=dtype, generator=generator)

    return Draw(draw, name, params, dtypes)


COMPLEX = ("complex64", "complex128")
BELOW_128 = (*FLOATS, *INTEGERS, "uint16", "uint32", "uint64")
CASES = {
    "rand": like(torch.rand, "uniform", FLOATS + COMPLEX),
    "uniform": inplace("uniform_", -0.3, 0.7, low=-0.3, high=0.7),
    "uniform-offset": inplace("uniform_", 5.1, 9.7, low=5.1, high=9.7),
    "uniform-narrow": inplace("uniform_", 1.0, 1.001, low=1.0, high=1.001),
    "randn": like(torch.randn, "normal", FLOATS + COMPLEX),
    "normal": inplace("normal_", 1.3, 0.7, mean=1.3, std=0.7),
    "normal-tiny": inplace("normal_", 0, 0.02, mean=0, std=0.02),
    "normal-constant": inplace("normal_", 1.3, 0, mean=1.3, std=0),
    "log_normal": inplace("log_normal_", 0.3, 0.8, mean=0.3, std=0.8),
    "log_normal-high": inplace("log_normal_", 600, 90, mean=600, std=90),
    "trunc_normal": trunc(std=0.02),
    "trunc_normal-cut": trunc(mean=0.4, std=0.9, a=-0.1, b=1.5),
    "trunc_normal-tail": trunc(mean=0.0, std=1.0, a=1.0, b=1.8),
    "random": inplace("random_", dtypes=(*FLOATS, *INTEGERS, "bool")),
    "random-to": inplace("random_", 100, row="random", low=0, high=100, dtypes=BELOW_128),
    "random-from": inplace("random_", -9, None, row="random", low=-9, high=None, dtypes=FLOATS[:2]),
    "random-bool": inplace("random_", 0, 2, row="random", low=0, high=2, dtypes=("bool",)),
    "randint": like(
        functools.partial(torch.randint, -5, 2**28 - 6),
        "random",
        INTEGERS[:2],
        low=-5,
        high=2**28 - 6,
    ),
    "randint-64-bit": inplace(
        "random_", -5, 2**28 - 5, row="random", low=-5, high=2**28 - 5, dtypes=INTEGERS[:2]
    ),
    "randint-most": inplace(
        "random_", -(2**63), 2**63 - 1, low=-(2**63), high=2**63 - 1, dtypes=("int64",)
    ),
    "random-whole": inplace(
        "random_", -(2**63), None, low=-(2**63), dtypes=("int64", "float32", "float64", "bfloat16")
    ),
    "bernoulli": inplace("bernoulli_", 0.3, p=0.3, dtypes=(*FLOATS, *INTEGERS, "bool")),
    "exponential": inplace("exponential_", 0.7, lambd=0.7),
    "exponential-inf": inplace("exponential_", float("inf"), lambd=float("inf")),
    "geometric": inplace("geometric_", 0.03, p=0.03, dtypes=(*FLOATS, *INTEGERS)),
    "cauchy": inplace("cauchy_", 1.3, 0.7, median=1.3, sigma=0.7),
    "cauchy-default": inplace("cauchy_"),
}
ROWS = [(case, dtype) for case, draw in CASES.items() for dtype in draw.dtypes]


def assert_same(
    case: str, dtype: str, shape: Any, ours: Generator, theirs: torch.Generator
) -> None:
    """One draw of both, compared in shape, type, bits and in the state that it leaves."""
    draw = CASES[case]
    want = draw.torch(shape, getattr(torch, dtype), theirs)
    got = sample(draw.name, ours, shape, NUMPY[dtype], **draw.params)
    assert type(got) is np.ndarray and got.dtype == NUMPY[dtype] and got.shape == tuple(want.shape)
    different = int((bits(got) != bits(want)).sum())
    assert not different, f"{case} {dtype} {shape}: {different} bytes differ"
    assert_same_state(ours, theirs)


@pytest.mark.parametrize(("case", "dtype"), ROWS)
def test_bits(case, dtype):
    for seed in (0, 3, 2**63 + 5):
        ours, theirs = pair(seed)
        for size in SIZES:
            assert_same(case, dtype, (size,), ours, theirs)


@pytest.mark.parametrize(("case", "dtype"), ROWS)
def test_bits_of_large_arrays(case, dtype):
    # Those that reject most of what they draw take eight times as long.
    size = LARGE // 8 if case in ("trunc_normal-cut", "trunc_normal-tail") else LARGE
    assert_same(case, dtype, (size,), *pair(11))


@pytest.mark.parametrize("shape", [(), (3, 0), (2, 3), (4, 5, 7)])
def test_shapes(shape):
    ours, theirs = pair(1)
    for case in CASES:
        assert_same(case, CASES[case].dtypes[0], shape, ours, theirs)


steps = st.lists(
    st.tuples(st.sampled_from(ROWS), st.sampled_from((1, 2, 5, 16, 33, 700))), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**64 - 1), steps)
def test_any_sequence_of_draws(seed, steps):
    ours, theirs = pair(seed)
    for (case, dtype), size in steps:
        assert_same(case, dtype, (size,), ours, theirs)


def test_defaults_are_those_of_torch():
    for method in ("uniform_", "normal_", "log_normal_", "bernoulli_", "exponential_", "cauchy_"):
        ours, theirs = pair(5)
        want = getattr(torch.empty(40), method)(generator=theirs)
        got = sample(method.strip("_"), ours, (40,), np.float32)
        np.testing.assert_array_equal(bits(got), bits(want), err_msg=method)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_of_a_tensor_that_is_not_contiguous(dtype):
    ours, theirs = pair(2)
    want = torch.empty(7, 9, dtype=getattr(torch, dtype)).t().normal_(1.3, 0.7, generator=theirs)
    got = sample("normal", ours, (7, 9), NUMPY[dtype], mean=1.3, std=0.7, contiguous=False)
    np.testing.assert_array_equal(bits(got), bits(want.t()))
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("own", ["float32", "bool", "int64"])
def test_bernoulli_of_probabilities(dtype, own):
    chances = torch.rand(3, 1, 50, dtype=getattr(torch, dtype), generator=pair(5)[1])
    ours, theirs = pair(4)
    want = torch.empty(3, 20, 50, dtype=getattr(torch, own)).bernoulli_(chances, generator=theirs)
    as_numpy = bits(chances).view(NUMPY[dtype]).reshape(3, 1, 50)
    got = sample("bernoulli", ours, (3, 20, 50), NUMPY[own], p=as_numpy)
    np.testing.assert_array_equal(got, want.numpy())
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize(
    ("shape", "count"), [((5,), 1), ((5,), 4), ((3, 700), 9), ((2, 50000), 1), ((0, 3), 2)]
)
def test_multinomial(dtype, replacement, shape, count):
    weights = torch.rand(shape, generator=pair(5)[1]).add_(0.01).to(getattr(torch, dtype))
    ours, theirs = pair(6)
    want = torch.multinomial(weights, count, replacement, generator=theirs).numpy()
    probs = bits(weights).view(NUMPY[dtype]).reshape(shape)
    size = (*shape[:-1], count)
    got = sample("multinomial", ours, size, np.int64, probs=probs, replacement=replacement)
    assert_same_state(ours, theirs)
    if not replacement and NUMPY[dtype].itemsize == 2:
        # Of categories that tie in 16 bits any order is right: compare what they were chosen by.
        waits = sample("exponential", Generator().manual_seed(6), shape, probs.dtype)
        with np.errstate(over="ignore"):
            keys = (probs.astype(np.float32) / waits.astype(np.float32)).astype(probs.dtype)
        got, want = (np.take_along_axis(keys, one, axis=-1) for one in (got, want))
    np.testing.assert_array_equal(got, want)


def test_multinomial_never_takes_what_has_no_probability():
    probs = np.array([0, 0, 3, 0, 1], np.float32)
    ours, theirs = pair(8)
    for count, replacement in ((1, False), (2, False), (50, True)):
        want = torch.multinomial(torch.from_numpy(probs), count, replacement, generator=theirs)
        got = sample("multinomial", ours, (count,), np.int64, probs=probs, replacement=replacement)
        np.testing.assert_array_equal(got, want.numpy())


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("n", [0, 1, 2, 17, 128, 1000, LARGE])
def test_randperm(n, dtype):
    if n > {"int8": 128, "uint8": 256, "int16": 2**15, "float16": 2049}.get(dtype, n):
        with pytest.raises(RuntimeError):
            torch.randperm(n, dtype=getattr(torch, dtype))
        return
    ours, theirs = pair(9)
    want = torch.randperm(n, dtype=getattr(torch, dtype), generator=theirs)
    np.testing.assert_array_equal(bits(sample("randperm", ours, (n,), NUMPY[dtype])), bits(want))
    assert_same_state(ours, theirs)


def test_randperm_of_large_n(monkeypatch):
    """From 2**32 / 20 on torch shuffles inside out; the real thing was compared once by hand."""
    monkeypatch.setattr(_host, "_LARGE_PERMUTATION", 100)
    draws = Generator().manual_seed(1).random64(500)
    want: list[int] = []
    for i, draw in enumerate(draws.tolist()):
        want.append(i)
        j = draw % (i + 1)
        want[i], want[j] = want[j], want[i]
    got = sample("randperm", Generator().manual_seed(1), (500,), np.int64)
    assert got.tolist() == want


# -- arithmetic ------------------------------------------------------------------------------------


def test_fused_rounds_once():
    """Against exact integers: a * b + c with hard cases of rounding."""
    rng = np.random.default_rng(0)
    for kind, digits in ((np.float32, 24), (np.float64, 53)):
        a = np.concatenate([rng.random(300), rng.random(300) * 2.0**-digits, 1 + rng.random(300)])
        a = a.astype(kind)
        for b, c in (
            (kind(1.4), kind(-0.3)),
            (kind(1 + 2.0 ** (1 - digits)), kind(1)),
            (kind(3), kind(1e9)),
        ):
            for x, y in zip(a, _arithmetic.fused(a, b, c)):
                (n1, d1), (n2, d2), (n3, d3) = (float(v).as_integer_ratio() for v in (x, b, c))
                top, bottom = n1 * n2 * d3 + n3 * d1 * d2, d1 * d2 * d3
                assert float(y) == rounded(top, bottom, digits)


def rounded(top: int, bottom: int, digits: int) -> float:
    """top / bottom to the nearest number of `digits` bits, ties to even."""
    shift = digits - (abs(top).bit_length() - bottom.bit_length())
    for up in (shift, shift - 1):
        scaled = (abs(top) << up) if up >= 0 else abs(top)
        whole, rest = divmod(scaled, bottom if up >= 0 else bottom << -up)
        if whole.bit_length() <= digits:
            break
    half = 2 * rest - (bottom if up >= 0 else bottom << -up)
    whole += half > 0 or (half == 0 and whole & 1)
    return float(whole) * 2.0**-up * (1 if top > 0 else -1)


# -- states ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 2, 16, 623, 624, 625, 2000])
@pytest.mark.parametrize("cached", [False, True])
def test_states_move_both_ways(before, cached):
    ours, theirs = pair(12)
    torch.rand(before, generator=theirs)
    if cached:
        torch.randn(1, generator=theirs)
    ours.set_state(state_of(theirs))
    assert_same_state(ours, theirs)
    back = torch.Generator().set_state(torch.from_numpy(state_of(ours)))
    for case in ("normal", "rand", "random"):
        for generator in (theirs, back):
            assert_same(case, "float32", (5,), Generator().set_state(state_of(ours)), generator)
        ours.set_state(state_of(theirs))


def test_key_travels_in_a_state_that_torch_still_takes():
    ours = Generator().manual_seed(1)
    sample("uniform", ours, (5,), np.float32)
    plain = state_of(ours)
    first = ours.next_key()
    moved = state_of(ours)
    assert (plain != moved).any()
    other = Generator().set_state(moved)
    second = ours.next_key()
    assert other.next_key() == second and first != second
    assert ours.set_state(plain).next_key() == first
    theirs = torch.Generator().set_state(torch.from_numpy(moved))
    np.testing.assert_array_equal(state_of(theirs), plain)


def test_float_cache_of_a_state_is_kept():
    state = state_of(Generator())
    state[5048:5052] = np.frombuffer(np.float32(1.5).tobytes(), np.uint8)
    state[5052] = 1
    ours = Generator().set_state(state)
    np.testing.assert_array_equal(state_of(ours), state)
    assert_same_state(ours, torch.Generator().set_state(torch.from_numpy(state)))


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, Generator.clone_state])
def test_copies_continue_alike(copied):
    ours, theirs = pair(13)
    assert_same("normal", "float32", (3,), ours, theirs)
    other = copied(ours)
    assert other is not ours and other.initial_seed() == 13
    assert_same("rand", "float32", (3,), ours, theirs)
    np.testing.assert_array_equal(sample("uniform", other, (3,), np.float32), _last(ours))


def _last(generator: Generator) -> np.ndarray:
    """The three uniform numbers that follow the draws of `test_copies_continue_alike`."""
    again = Generator().manual_seed(13)
    sample("normal", again, (3,), np.float32)
    result = sample("uniform", again, (3,), np.float32)
    assert_same_state(again, generator)
    return result


def test_pickle():
    ours = Generator().manual_seed(14)
    sample("normal", ours, (3,), np.float32)
    other = pickle.loads(pickle.dumps(ours))
    assert_same_state(other, ours)
    kind, arguments, state = ours.__reduce__()
    assert kind is Generator and str(arguments[0]) == "cpu" and state[:2] == (14, None)


def test_default_generator():
    assert _random.manual_seed(-1) is _random.default_generator
    assert _random.initial_seed() == torch.manual_seed(-1).initial_seed() == 2**64 - 1
    assert_same_state(_random.default_generator, torch.default_generator)
    got = sample("normal", None, (33,), np.float32)
    np.testing.assert_array_equal(bits(got), bits(torch.randn(33)))
    state = _random.get_rng_state()
    again = sample("normal", None, (3,), np.float32)
    _random.set_rng_state(state)
    np.testing.assert_array_equal(sample("normal", None, (3,), np.float32), again)
    assert Generator().initial_seed() == torch.Generator().initial_seed()
    assert _random.manual_seed("3").initial_seed() == 3
    assert _random.manual_seed(1.7).initial_seed() == 1


def test_seed_is_new_each_time():
    seeds = {_random.seed() for _ in range(4)} | {Generator().seed() for _ in range(4)}
    assert len(seeds) == 8 and all(0 <= seed < 2**64 for seed in seeds)
    assert _random.seed() == _random.initial_seed()


def test_fork_rng():
    generator = _random.manual_seed(3)
    key = generator.key_cell.value
    with _random.fork_rng(devices=[], enabled=True):
        sample("uniform", None, (700,), np.float32)
        generator.next_key()
        _random.manual_seed(4)
    assert _random.initial_seed() == 3 and generator.key_cell.value is key
    assert_same_state(generator, Generator().manual_seed(3))
    for kept in ({"enabled": False}, {"device_type": "meta"}):
        with _random.fork_rng(**kept):
            _random.manual_seed(5)
        assert _random.initial_seed() == 5
    with pytest.raises(KeyError), _random.fork_rng():
        _random.manual_seed(6)
        raise KeyError
    assert _random.initial_seed() == 5


def test_devices():
    for device in ("cpu", "cpu:0", None, torch.device("cpu")):
        assert str(Generator(device).device) == str(torch.Generator(device).device) == "cpu"
    assert str(Generator(device="cuda").device) == "cuda"
    with pytest.raises(RuntimeError, match="META device type not an accelerator."):
        Generator("meta")


@pytest.mark.parametrize(
    "shape, dims", [((2, 3, 5), (0, 2, 1)), ((2, 5), (1, 0)), ((4, 30), (1, 0))]
)
@pytest.mark.parametrize("name", ["randn_like", "rand_like", "randint_like"])
def test_like_forms_draw_in_the_order_of_memory(name, shape, dims):
    """They keep the strides of what they are like, and fill it as torch does."""
    found = []
    for library in (torch, torchcompat):
        library.manual_seed(4)
        like = library.linspace(0, 1, math.prod(shape)).reshape(shape).permute(dims)
        more = (9,) if name == "randint_like" else ()
        made = getattr(library, name)(like, *more)
        found.append((made.stride(), made.tolist()))
        plain = (
            library.zeros_like(like),
            library.zeros_like(like, memory_format=library.contiguous_format),
        )
        found[-1] += tuple(one.stride() for one in plain)
    assert found[0][0] == found[1][0] and found[0][2:] == found[1][2:]
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-5)


def test_a_probability_for_each_place_of_a_transposed_tensor():
    values = []
    for library in (torch, torchcompat):
        library.manual_seed(4)
        chances = library.arange(6.0).reshape(2, 3) / 6
        values.append(library.zeros(3, 2).T.bernoulli_(chances).tolist())
    assert values[0] == values[1]
