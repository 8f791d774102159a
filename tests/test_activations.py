"""Activations against torch: values and slopes, at ordinary points and at kinks; types; errors."""

from __future__ import annotations

import inspect
import warnings

import jax
import numpy as np
import pytest
import torch
import torch.nn.functional as theirs

import torchcompat
import torchcompat.nn.functional as ours
from tests._against_torch import compare, same_outcome
from tests._parity import assert_close, to_ours

INF, NAN = float("inf"), float("nan")
POINTS = (-100, -20, -6, -3.5, -3, -2, -1, -0.5, -0.1, 0, 0.1, 0.5, 1, 2, 3, 6, 19.9, 20, 20.1, 90)

# name, keyword arguments
ROWS = [
    ("relu", {}),
    ("relu6", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": -0.5}),
    ("elu", {}),
    ("elu", {"alpha": 2.0}),
    ("celu", {}),
    ("celu", {"alpha": 2.0}),
    ("selu", {}),
    ("gelu", {}),
    ("gelu", {"approximate": "tanh"}),
    ("silu", {}),
    ("mish", {}),
    ("softplus", {}),
    ("softplus", {"beta": 2.0, "threshold": 1.0}),
    ("softplus", {"threshold": 200.0}),
    ("softsign", {}),
    ("softshrink", {}),
    ("hardshrink", {}),
    ("hardshrink", {"lambd": 1.0}),
    ("hardtanh", {}),
    ("hardtanh", {"min_val": -2.0, "max_val": 0.5}),
    ("hardsigmoid", {}),
    ("hardswish", {}),
    ("logsigmoid", {}),
    ("tanhshrink", {}),
    ("threshold", {"threshold": 0.1, "value": 5.0}),
    ("rrelu", {}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("softmax", {"dim": 0}),
    ("log_softmax", {"dim": 0}),
    ("softmin", {"dim": 0}),
]
TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
# In half types torch rounds between two steps that are one step here.
ROUNDED_TWICE = {"tanhshrink": 8.0, "softsign": 8.0}
# Where a slope of torch's is lost in rounding: exp(90) overflows float32 and float16.
OVERFLOWS = {"softplus": 20.1}


def points(name: str, kwargs: dict, dtype: torch.dtype) -> torch.Tensor:
    limit = OVERFLOWS.get(name, INF) if kwargs.get("threshold", 0) > 20 else INF
    return torch.tensor([x for x in POINTS if x <= limit], dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("name, kwargs", ROWS, ids=lambda x: str(x))
def test_values_and_slopes(name, kwargs, dtype):
    half = dtype.itemsize == 2
    factor = ROUNDED_TWICE.get(name, 2.0) if half else 1.0
    x = points(name, kwargs, dtype)
    compare(getattr(ours, name), getattr(theirs, name), (x,), kwargs, factor=factor)


# name, value at NaN, inf and -inf, slope there; None where torch's own depends on the kernel
SPECIAL = [
    ("relu", (NAN, INF, 0), (1, 1, 0)),
    ("relu6", (NAN, 6, 0), (1, 0, 0)),
    ("leaky_relu", (NAN, INF, -INF), (0.01, 1, 0.01)),
    ("elu", (NAN, INF, -1), (1, 1, 0)),
    ("selu", (NAN, INF, -1.7580993), (1.050701, 1.050701, 0)),
    ("softshrink", (NAN, INF, -INF), (1, 1, 1)),
    ("hardshrink", (NAN, INF, -INF), (1, 1, 1)),
    ("hardtanh", (NAN, 1, -1), (1, 0, 0)),
    ("softplus", (NAN, INF, 0), (NAN, 1, 0)),
    ("logsigmoid", (NAN, 0, -INF), (NAN, 0, 1)),
]


@pytest.mark.parametrize("name, values, slopes", SPECIAL, ids=[row[0] for row in SPECIAL])
def test_special_values(name, values, slopes):
    x = torch.tensor([NAN, INF, -INF], requires_grad=True)
    y = getattr(theirs, name)(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(y.detach().numpy(), values, rtol=1e-6)
    np.testing.assert_allclose(slope.numpy(), slopes, rtol=1e-6)
    got, pull = jax.vjp(getattr(ours, name), jax.numpy.asarray(x.detach().numpy()))
    np.testing.assert_allclose(got, values, rtol=1e-6)
    np.testing.assert_allclose(pull(jax.numpy.ones(3))[0], slopes, rtol=1e-6)


WITH_TENSORS = [
    ("prelu", (torch.randn(2, 3, 4), torch.tensor([0.25])), {}),
    ("prelu", (torch.randn(2, 3, 4), torch.tensor([0.1, -0.2, 0.3])), {}),
    ("prelu", (torch.randn(3), torch.tensor(0.5)), {}),
    ("glu", (torch.randn(4, 6),), {}),
    ("glu", (torch.randn(4, 6),), {"dim": 0}),
    ("softmax", (torch.randn(2, 3, 4),), {"dim": 1}),
    ("softmax", (torch.randn(2, 3),), {"dim": -1, "dtype": torch.float64}),
    ("softmax", (torch.tensor([[-INF, -INF], [-INF, 0.0]]),), {"dim": 1}),
    ("softmax", (torch.tensor(1.0),), {"dim": 0}),
    ("log_softmax", (torch.randn(2, 3) * 100,), {"dim": 1}),
    ("log_softmax", (torch.randn(2, 3),), {"dim": 0, "dtype": torch.float64}),
    ("softmin", (torch.randn(2, 3),), {"dim": 1}),
    ("gumbel_softmax", (torch.randn(4, 5),), {"tau": 0.5}),
    ("gumbel_softmax", (torch.randn(4, 5),), {"hard": True, "dim": 0}),
]


@pytest.mark.parametrize("name, args, kwargs", WITH_TENSORS, ids=lambda x: str(x)[:20])
def test_with_tensors(name, args, kwargs):
    args = [x.clone().requires_grad_() for x in args]
    compare(getattr(ours, name), getattr(theirs, name), args, kwargs)


def test_rrelu_draws_torchs_slopes():
    x = torch.randn(50)
    torch.manual_seed(3), torchcompat.manual_seed(3)
    for _ in range(2):
        got = ours.rrelu(to_ours(x), 0.1, 0.4, True)
        assert_close(got, theirs.rrelu(x, 0.1, 0.4, True))
    y, own = x.clone(), to_ours(x)
    theirs.rrelu_(y, training=True)
    assert ours.rrelu(own, training=True, inplace=True) is own
    assert_close(own, y)


INTEGER_ROWS = ["relu", "relu6", "hardtanh", "softsign", "tanhshrink", "sigmoid", "tanh"]


@pytest.mark.parametrize("name", INTEGER_ROWS)
def test_integers(name):
    x = torch.arange(-3, 9)
    compare(getattr(ours, name), getattr(theirs, name), (x,))


def test_threshold_of_integers_truncates_its_numbers():
    compare(ours.threshold, theirs.threshold, (torch.arange(-2, 4), 1.5, 20.5))


IN_PLACE = ["relu", "relu6", "leaky_relu", "elu", "celu", "selu", "silu", "mish", "hardtanh"]
IN_PLACE += ["hardsigmoid", "hardswish"]


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name):
    x = torchcompat.tensor([-2.0, -0.5, 0.0, 0.5, 8.0])
    expected = getattr(ours, name)(x)
    view = x[1:3]
    assert getattr(ours, name)(x, inplace=True) is x
    assert torchcompat.equal(x, expected) and torchcompat.equal(view, expected[1:3])


@pytest.mark.parametrize("name", ["relu_", "leaky_relu_", "elu_", "celu_", "selu_", "hardtanh_"])
def test_in_place_functions(name):
    x = torchcompat.tensor([-2.0, 0.5, 8.0])
    expected = getattr(ours, name[:-1])(x)
    assert getattr(ours, name)(x) is x and torchcompat.equal(x, expected)
    leaf = torchcompat.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        getattr(ours, name)(leaf)


FLOATS_ONLY = [
    "leaky_relu",
    "elu",
    "celu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softshrink",
]
FLOATS_ONLY += ["hardshrink", "hardsigmoid", "hardswish", "logsigmoid", "glu", "rrelu"]
X, LONG = torch.randn(2, 3), torch.arange(6)
# name, arguments, keyword arguments: torch's error, type and text
ERRORS = [(name, (LONG,), {}) for name in FLOATS_ONLY]
ERRORS += [
    ("relu", (X > 0,), {}),
    ("relu", (X + 1j,), {}),
    ("relu6", (X > 0,), {}),
    ("hardtanh", (LONG.to(torch.uint8),), {}),
    ("hardtanh", (X, 2, 1), {}),
    ("celu", (X, 0.0), {}),
    ("gelu", (X,), {"approximate": "x"}),
    ("softshrink", (X, -1.0), {}),
    ("softshrink", (X.half(), -1.0), {}),
    ("glu", (torch.randn(3),), {}),
    ("glu", (torch.tensor(1.0),), {}),
    ("glu", (X, 5), {}),
    ("tanhshrink", (X > 0,), {}),
    ("softsign", (X > 0,), {}),
    ("softmax", (X, 5), {}),
    ("softmax", (LONG, 0), {}),
    ("softmax", (X.long(), 0), {}),
    ("log_softmax", (LONG, 0), {}),
    ("prelu", (X, torch.ones(2)), {}),
    ("prelu", (X, torch.ones(2, 3)), {}),
    ("prelu", (X, torch.ones(1, 1)), {}),
    ("prelu", (torch.randn(3), torch.ones(3)), {}),
    ("prelu", (torch.tensor(1.0), torch.ones(3)), {}),
    ("prelu", (X, torch.ones(1).double()), {}),
    ("rrelu", (X, 0.5, 0.2), {}),
    ("rrelu", (X, 0.5, 0.2, True), {}),
    ("relu", ("a",), {}),
]


@pytest.mark.parametrize("name, args, kwargs", ERRORS, ids=lambda x: str(x)[:25])
def test_errors(name, args, kwargs):
    same_outcome(getattr(ours, name), getattr(theirs, name), args, kwargs)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (1, 2, 3, 4)])
def test_implicit_dimension(name, shape):
    x = torch.randn(shape)
    with pytest.warns(UserWarning, match=f"Implicit dimension choice for {name}") as caught:
        got = getattr(ours, name)(to_ours(x))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_close(got, getattr(theirs, name)(x))


@pytest.mark.parametrize("name", ["gelu", "softplus", "hardswish", "logsigmoid", "softsign"])
def test_under_jit_and_vmap(name):
    x = jax.numpy.linspace(-4, 4, 12).reshape(3, 4)
    run = getattr(ours, name)
    expected = run(x)
    assert isinstance(expected, jax.Array) and not expected.weak_type
    np.testing.assert_allclose(jax.jit(run)(x), expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(jax.vmap(run)(x), expected, rtol=1e-6, atol=1e-7)


LAYERS = [
    name
    for file in ("activation", "loss", "distance", "transformer")
    for name in getattr(torch.nn.modules, file).__all__
]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_declared_as_torchs(name):
    mine, other = getattr(torchcompat.nn, name), getattr(torch.nn, name)
    assert mine is getattr(torchcompat, name)
    assert getattr(mine, "__constants__", None) == getattr(other, "__constants__", None)
    # The constructor of torch's NLLLoss2d is a decorator's.
    assert name == "NLLLoss2d" or _parameters(mine) == _parameters(other)
    assert _parameters(mine.forward) == _parameters(other.forward)


def _parameters(function) -> list:
    found = inspect.signature(function).parameters.values()
    plain = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [(p.name, p.kind, getattr(p.default, "__name__", p.default)) for p in plain]


# layers that module_db does not have, or has in one form only
LAYER_ROWS = [
    ("RReLU", (0.2, 0.3), {}, (X,)),
    ("RReLU", (0.2, 0.3, True), {}, (X,)),
    ("Hardsigmoid", (True,), {}, (X,)),
    ("Hardswish", (True,), {}, (X,)),
    ("Hardtanh", (-2.0, 2.0, True), {}, (X,)),
    ("ReLU6", (True,), {}, (X,)),
    ("Threshold", (0.1, 20, True), {}, (X,)),
    ("Softplus", (2, 5), {}, (X,)),
    ("GELU", ("tanh",), {}, (X,)),
    ("Softmax2d", (), {}, (torch.randn(2, 3, 4),)),
    ("CosineSimilarity", (1, 1e-8), {}, (X, X + 1)),
    ("PairwiseDistance", (1.0,), {"keepdim": True}, (X, X + 1)),
]


@pytest.mark.parametrize("name, args, kwargs, call", LAYER_ROWS, ids=lambda x: str(x)[:20])
def test_layers(name, args, kwargs, call):
    mine = getattr(torchcompat.nn, name)(*args, **kwargs)
    other = getattr(torch.nn, name)(*args, **kwargs)
    assert repr(mine) == repr(other)
    torch.manual_seed(1), torchcompat.manual_seed(1)
    assert_close(mine(*to_ours(call)), other(*[x.clone() for x in call]), name)
    for file in (mine.eval(), other.eval()):
        assert not file.training
    assert_close(mine(*to_ours(call)), other(*[x.clone() for x in call]), name)


def test_softmax2d_and_hardtanh_refuse():
    for library in (torch, torchcompat):
        with pytest.raises(ValueError, match="Softmax2d: expected input to be 3D or 4D, got 2D"):
            library.nn.Softmax2d()(library.zeros(2, 3))
        with pytest.raises(AssertionError, match=r"max_val \(-1.0\) must be greater than min_val"):
            library.nn.Hardtanh(1.0, -1.0)
        with pytest.warns(FutureWarning, match="keyword argument `min_value` is deprecated"):
            library.nn.Hardtanh(min_value=-2.0)


def test_an_old_softmax_without_dim_loads():
    layer = torchcompat.nn.Softmax(1)
    state = {key: value for key, value in layer.__getstate__().items() if key != "dim"}
    fresh = torchcompat.nn.Softmax.__new__(torchcompat.nn.Softmax)
    fresh.__setstate__(state)
    assert fresh.dim is None


def test_tanh_has_every_bit_where_it_nears_one():
    x = torch.cat([torch.linspace(1.01, 12, 2001), -torch.linspace(1.01, 12, 2001)])
    found = np.asarray(torchcompat.tanh(to_ours(x))).astype(np.float64)
    exact = np.tanh(x.double().numpy())
    assert np.abs(found - exact).max() <= 2.0**-24 * 1.5
    slope = np.asarray(jax.vmap(jax.grad(torchcompat.tanh))(to_ours(x[x.abs() < 5])._read()))
    exact = 1 - np.tanh(x[x.abs() < 5].double().numpy()) ** 2
    assert np.abs(slope - exact).max() <= 2.0**-23 * 1.5
