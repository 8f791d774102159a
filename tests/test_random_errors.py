"""Errors and warnings of random numbers: torch's own, raised before anything is drawn."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from _generators import NUMPY, assert_same_state, bits, pair, state_of

from torchcompat import _random
from torchcompat._random import Generator, sample

NAN, INF = float("nan"), float("inf")
GENERATOR_ERRORS = [
    lambda g, array: g.manual_seed(2**64),
    lambda g, array: g.manual_seed(-(2**63) - 1),
    lambda g, array: g.manual_seed(1.5),
    lambda g, array: g.manual_seed("a"),
    lambda g, array: g.manual_seed(True),
    lambda g, array: g.manual_seed(np.int64(3)),
    lambda g, array: g.graphsafe_get_state(),
    lambda g, array: g.graphsafe_set_state(g),
    lambda g, array: g.get_offset(),
    lambda g, array: g.set_offset(3),
    lambda g, array: g.set_state(3),
    lambda g, array: g.set_state(array(np.zeros(3, np.float32))),
    lambda g, array: g.set_state(array(np.zeros(3, np.uint8))),
    lambda g, array: g.set_state(array(np.zeros(5056, np.uint8))),
]


@pytest.mark.parametrize("fails", GENERATOR_ERRORS)
def test_errors_of_generators(fails):
    ours, theirs = pair(1)
    with pytest.raises(Exception) as want:  # noqa: B017 - whatever torch raises
        fails(theirs, torch.from_numpy)
    with pytest.raises(want.type, match=f"^{re.escape(str(want.value))}$"):
        fails(ours, np.asarray)
    assert_same_state(ours, Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("field", "value"), [(8, b"\xfd\xff\xff\xff"), (12, bytes(4)), (16, b"\xff\xff")]
)
def test_damaged_states_are_refused(field, value):
    ours, _ = pair(1)
    sample("uniform", ours, (5,), np.float32)
    state = state_of(ours)
    state[field : field + len(value)] = np.frombuffer(value, np.uint8)
    for generator, wrapped in ((torch.Generator(), torch.from_numpy(state)), (ours, state)):
        with pytest.raises(RuntimeError, match="^Invalid mt19937 state$"):
            generator.set_state(wrapped)


def test_errors_of_seeds():
    for wrong in (2**64, -(2**63) - 1, "a"):
        with pytest.raises(ValueError) as want:
            torch.manual_seed(wrong)
        with pytest.raises(ValueError, match=f"^{re.escape(str(want.value))}$"):
            _random.manual_seed(wrong)


# Method, its arguments, dtype, the parameters here, and the size if it is not 3.
DRAW_ERRORS: list[tuple] = [
    ("uniform_", (1, 0), "float32", {"low": 1, "high": 0}),
    ("uniform_", (1, 0), "float32", {"low": 1, "high": 0}, 0),
    ("uniform_", (1, 0), "complex64", {"low": 1, "high": 0}),
    ("uniform_", (0, 1e39), "float32", {"low": 0, "high": 1e39}),
    ("uniform_", (-1e5, 0), "float16", {"low": -1e5, "high": 0}),
    ("uniform_", (-60000, 60000), "float16", {"low": -60000, "high": 60000}),
    ("uniform_", (-3e38, 3e38), "float32", {"low": -3e38, "high": 3e38}),
    ("uniform_", (NAN, 1), "float32", {"low": NAN, "high": 1}),
    ("uniform_", (), "int64", {}),
    ("uniform_", (), "int64", {}, 0),
    ("uniform_", (), "bool", {}),
    ("normal_", (0, -1), "float32", {"mean": 0, "std": -1}),
    ("normal_", (0, NAN), "float32", {"mean": 0, "std": NAN}),
    ("normal_", (), "int64", {}),
    ("random_", (5, 5), "float32", {"low": 5, "high": 5}),
    ("random_", (5, 2), "int64", {"low": 5, "high": 2}, 0),
    ("random_", (0, 300), "uint8", {"low": 0, "high": 300}),
    ("random_", (0, 300), "uint8", {"low": 0, "high": 300}, 0),
    ("random_", (-1, 3), "uint8", {"low": -1, "high": 3}),
    ("random_", (0, 70000), "float16", {"low": 0, "high": 70000}),
    ("random_", (0, 3), "bool", {"low": 0, "high": 3}),
    ("random_", (-3, 5), "uint64", {"low": -3, "high": 5}),
    ("random_", (0, 3), "complex64", {"low": 0, "high": 3}),
    ("random_", (), "complex64", {}),
    ("random_", (), "uint16", {}),
    ("random_", (-(2**63), None), "int8", {"low": -(2**63)}),
    ("random_", (2**24 + 1, None), "float32", {"low": 2**24 + 1}),
    ("random_", (0, 2**63), "int64", {"low": 0, "high": 2**63}),
    ("bernoulli_", (-0.1,), "float32", {"p": -0.1}),
    ("bernoulli_", (1.1,), "float32", {"p": 1.1}, 0),
    ("bernoulli_", (NAN,), "float32", {"p": NAN}),
    ("bernoulli_", (0.5,), "complex64", {"p": 0.5}),
    ("bernoulli_", (0.5,), "uint16", {"p": 0.5}),
    ("exponential_", (0,), "float32", {"lambd": 0}),
    ("exponential_", (NAN,), "float32", {"lambd": NAN}),
    ("exponential_", (), "int64", {}),
    ("exponential_", (), "complex64", {}),
    ("geometric_", (0,), "float32", {"p": 0}),
    ("geometric_", (1,), "float32", {"p": 1}),
    ("geometric_", (NAN,), "float32", {"p": NAN}),
    ("geometric_", (0.5,), "bool", {"p": 0.5}),
    ("geometric_", (0.5,), "complex64", {"p": 0.5}),
    ("cauchy_", (0, 0), "float32", {"median": 0, "sigma": 0}),
    ("cauchy_", (), "int64", {}),
    ("cauchy_", (), "complex64", {}, 0),
    ("log_normal_", (0, 0), "float32", {"mean": 0, "std": 0}),
    ("log_normal_", (), "int64", {}),
    ("log_normal_", (), "complex64", {}),
]


@pytest.mark.parametrize("row", DRAW_ERRORS, ids=str)
def test_errors_of_draws(row):
    method, args, dtype, params, size = (*row, 3)[:5]
    with pytest.raises(Exception) as want:  # noqa: B017 - whatever torch raises
        getattr(torch.empty(size, dtype=getattr(torch, dtype)), method)(*args)
    assert_refused(want, method.strip("_"), (size,), NUMPY[dtype], params)


def assert_refused(want: Any, name: str, shape: Any, dtype: Any, params: dict[str, Any]) -> None:
    """The same error here, with the generator as it was."""
    ours = Generator()
    with pytest.raises(want.type, match=f"^{re.escape(str(want.value))}$"):
        sample(name, ours, shape, dtype, **params)
    assert_same_state(ours, Generator())


@pytest.mark.parametrize("p", [[1.5, 0.5], [NAN, 0], [1], [True]])
def test_errors_of_bernoulli_of_probabilities(p):
    with pytest.raises(Exception) as want:  # noqa: B017 - whatever torch raises
        torch.empty(len(p)).bernoulli_(torch.tensor(p))
    p = torch.tensor(p).numpy()
    assert_refused(want, "bernoulli", p.shape, np.float32, {"p": p})


MULTINOMIAL_ERRORS = [
    ([1.0, 2.0], 3, False),
    ([1.0, 2.0], 0, False),
    ([1.0, 2.0], -1, True),
    ([1, 2], 1, False),
    ([-1.0, 2.0], 1, False),
    ([-1.0, 2.0], 1, True),
    ([-1.0, 2.0], 3, True),
    ([INF, 2.0], 1, False),
    ([INF, 2.0], 3, True),
    ([NAN, 2.0], 2, False),
    ([NAN, 2.0], 3, True),
    ([0.0, 0.0], 1, False),
    ([0.0, 0.0], 2, False),
    ([0.0, 0.0], 3, True),
    ([[[1.0]]], 1, True),
    (1.0, 1, True),
    ([[0.0, 1.0], [0.0, 0.0]], 2, True),
    ([], 1, True),
]


@pytest.mark.parametrize(("probs", "count", "replacement"), MULTINOMIAL_ERRORS)
def test_errors_of_multinomial(probs, count, replacement):
    probs = torch.tensor(probs)
    with pytest.raises(RuntimeError) as want:
        torch.multinomial(probs, count, replacement)
    params = {"probs": probs.numpy(), "replacement": replacement}
    assert_refused(want, "multinomial", (*probs.shape[:-1], count), np.int64, params)


RANDPERM_ERRORS = [
    (-1, "int64"),
    (257, "uint8"),
    (129, "int8"),
    (2**15 + 1, "int16"),
    (2050, "float16"),
    (2**24 + 2, "float32"),
    (5, "uint16"),
    (5, "bool"),
    (5, "complex64"),
]


@pytest.mark.parametrize(("n", "dtype"), RANDPERM_ERRORS)
def test_errors_of_randperm(n, dtype):
    with pytest.raises(Exception) as want:  # noqa: B017 - whatever torch raises
        torch.randperm(n, dtype=getattr(torch, dtype))
    assert_refused(want, "randperm", (n,), NUMPY[dtype], {})


@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(0, 5000, "float16"), (0, 2**25, "float32"), (-999, 3, "bfloat16")]
)
def test_ranges_with_gaps_warn(low, high, dtype):
    ours, theirs = pair(1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        want = torch.empty(9, dtype=getattr(torch, dtype)).random_(low, high, generator=theirs)
    with pytest.warns(UserWarning) as ours_told:
        got = sample("random", ours, (9,), NUMPY[dtype], low=low, high=high)
    np.testing.assert_array_equal(bits(got), bits(want))
    if told:  # torch says it once in a process
        assert str(told[0].message).startswith(str(ours_told[0].message))
