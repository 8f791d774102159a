"""nn.utils.parametrize and the parametrizations that torch has ready, under both libraries."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest
from _both import attempt, both
from flax import nnx
from jax import numpy as jnp

import torchcompat
from torchcompat.func import functional_call

nn = torchcompat.nn


def toys(torch):
    """Small parametrizations, by name."""

    class Twice(torch.nn.Module):
        def forward(self, x):
            return 2 * x

        def right_inverse(self, x):
            return x / 2

    class PlusOne(torch.nn.Module):
        def forward(self, x):
            return x + 1

    class Product(torch.nn.Module):
        def forward(self, a, b):
            return a * b

        def right_inverse(self, x):
            return x.clone(), torch.ones(())

    return Twice, PlusOne, Product


def made(torch, forward, inverse=None):
    """An instance of a parametrization with these two functions."""
    members = {"forward": lambda self, *x: forward(*x)}
    if inverse is not None:
        members["right_inverse"] = lambda self, x: inverse(x)
    return type("Made", (torch.nn.Module,), members)()


def seeded(torch, *size):
    torch.manual_seed(0)
    return torch.nn.Linear(*size)


@both
def test_registering(torch):
    parametrize = torch.nn.utils.parametrize
    Twice, PlusOne, _ = toys(torch)
    layer = seeded(torch, 3, 2)
    weight, value = layer.weight, layer.weight.detach().clone()
    yield parametrize.register_parametrization(layer, "weight", Twice()) is layer
    yield layer, layer.weight, type(layer), layer._get_name(), type(layer).__bases__
    held = layer.parametrizations.weight
    yield held, held.original is weight, weight * 2 - value
    yield held.is_tensor, held.ntensors, held.unsafe
    parametrize.register_parametrization(layer, "weight", PlusOne())
    yield layer.weight, list(layer.state_dict()), layer
    yield [n for n, _ in layer.named_parameters()], [n for n, _ in layer.named_modules()]
    layer(torch.ones(1, 3)).sum().backward()
    yield held.original.grad, layer.bias.grad
    yield "weight" in dir(layer), attempt(lambda: delattr(layer, "weight"))
    layer.double()
    yield layer.weight, layer.load_state_dict(layer.state_dict())
    yield attempt(layer.load_state_dict, torch.nn.Linear(3, 2).state_dict())


@both
def test_assigning(torch):
    parametrize = torch.nn.utils.parametrize
    Twice, PlusOne, Product = toys(torch)
    layer = parametrize.register_parametrization(seeded(torch, 2, 2), "weight", Twice())
    layer.weight = torch.ones(2, 2)
    yield layer.weight, layer.state_dict()
    layer.weight = torch.ones(3, 3)
    yield layer.weight
    for value in (torch.ones(2, 2, dtype=torch.float64), 3, torch.nn.Parameter(torch.ones(2, 2))):
        yield attempt(setattr, layer, "weight", value)
    parametrize.register_parametrization(layer, "bias", Product())
    layer.bias = torch.zeros(2)
    yield layer.state_dict()
    yield attempt(setattr, layer, "bias", torch.ones(2, dtype=torch.float64))
    parametrize.register_parametrization(layer, "weight", PlusOne())
    yield attempt(setattr, layer, "weight", torch.ones(2, 2))

    def refuse(x):
        raise NotImplementedError("no way back")

    other = seeded(torch, 2, 2)
    parametrize.register_parametrization(other, "weight", made(torch, lambda x: x, refuse))
    yield attempt(setattr, other, "weight", torch.ones(2, 2)), other.weight


@both
def test_unsuitable_parametrizations(torch):
    register = torch.nn.utils.parametrize.register_parametrization
    same = lambda x: x  # noqa: E731
    unsuitable = [
        made(torch, lambda x: x[:1]),
        made(torch, lambda x: x.double()),
        made(torch, lambda x: 3),
        made(torch, same, lambda x: 3),
        made(torch, same, lambda x: x.double()),
        made(torch, lambda *x: x[0], lambda x: [x, 3]),
    ]
    layer = seeded(torch, 2, 2)
    for one in unsuitable:
        yield attempt(register, layer, "weight", one)
        yield layer, layer.weight
    register(layer, "weight", made(torch, same))
    for one in unsuitable[:5]:
        yield attempt(register, layer, "weight", one)
    register(layer, "weight", unsuitable[0], unsafe=True)
    yield layer.weight, layer.parametrizations.weight.unsafe
    for name in ("in_features", "absent"):
        yield attempt(register, layer, name, made(torch, same))
    empty = torch.nn.utils.parametrize.ParametrizationList
    yield attempt(empty, [], torch.ones(1))


WRONG_INVERSES = {
    "too few": lambda x: [x],
    "one tensor": lambda x: x,
    "a number": lambda x: 3,
    "no tensor": lambda x: (x, 3),
}


def with_changing_inverse(torch, later):
    """A layer whose bias is a product of two tensors, and whose inverse has become `later`."""
    inverse = [lambda x: (x, torch.ones(2))]
    product = made(torch, lambda a, b: a * b, lambda x: inverse[0](x))
    register = torch.nn.utils.parametrize.register_parametrization
    layer = register(seeded(torch, 2, 2), "bias", product)
    inverse[0] = later
    return layer


@both
def test_wrong_inverses(torch):
    for later in WRONG_INVERSES.values():
        layer = with_changing_inverse(torch, later)
        yield attempt(setattr, layer, "bias", torch.ones(2))
    layer = with_changing_inverse(torch, lambda x: (x, 2 * x))
    layer.bias = torch.ones(2)
    yield layer.bias


@pytest.mark.parametrize("case", WRONG_INVERSES)
def test_a_refused_assignment_changes_nothing(case):
    layer = with_changing_inverse(torchcompat, WRONG_INVERSES[case])
    before = layer.bias.tolist()
    with pytest.raises(ValueError, match="right_inverse"):
        layer.bias = torchcompat.ones(2)
    assert layer.bias.tolist() == before


@both
def test_removing(torch):
    parametrize = torch.nn.utils.parametrize
    Twice, _, Product = toys(torch)
    layer = seeded(torch, 2, 2)
    weight = layer.weight
    parametrize.register_parametrization(layer, "weight", Twice())
    parametrize.register_parametrization(layer, "bias", Twice())
    yield attempt(parametrize.remove_parametrizations, layer, "absent")
    yield parametrize.remove_parametrizations(layer, "weight") is layer
    yield layer, list(layer.state_dict()), layer.weight, layer.weight is weight
    parametrize.remove_parametrizations(layer, "bias", leave_parametrized=False)
    yield layer, type(layer) is torch.nn.Linear, layer.state_dict()
    yield hasattr(layer, "parametrizations")
    yield attempt(parametrize.remove_parametrizations, layer, "bias")
    parametrize.register_parametrization(layer, "weight", Product())
    yield attempt(parametrize.remove_parametrizations, layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    yield layer.weight, layer.state_dict()
    norm = torch.nn.BatchNorm1d(2)
    parametrize.register_parametrization(norm, "running_mean", Twice())
    yield list(norm.state_dict()), [n for n, _ in norm.named_buffers()]
    parametrize.remove_parametrizations(norm, "running_mean")
    yield norm.state_dict(), norm


@both
def test_asking_and_transferring(torch):
    parametrize = torch.nn.utils.parametrize
    Twice, _, Product = toys(torch)
    layer = seeded(torch, 2, 2)
    yield parametrize.is_parametrized(layer), parametrize.type_before_parametrizations(layer)
    parametrize.register_parametrization(layer, "weight", Twice())
    parametrize.register_parametrization(layer, "bias", Product())
    for name in (None, "weight", "bias", "absent"):
        yield parametrize.is_parametrized(layer, name)
    yield parametrize.type_before_parametrizations(layer)
    twin = torch.nn.Linear(2, 2)
    yield parametrize.transfer_parametrizations_and_params(layer, twin), twin.state_dict()
    originals = [m.parametrizations.weight.original for m in (layer, twin)]
    yield originals[0] is originals[1]
    bare = torch.nn.ReLU()
    yield parametrize.transfer_parametrizations_and_params(layer, bare, "weight"), bare.weight
    yield parametrize.transfer_parametrizations_and_params(torch.nn.ReLU(), torch.nn.Tanh())
    layer.eval()
    late = Twice()
    parametrize.register_parametrization(layer, "weight", late)
    yield late.training


@both
def test_copies(torch):
    Twice, _, _ = toys(torch)
    layer = seeded(torch, 2, 2)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Twice())
    twin = copy.deepcopy(layer)
    yield twin, type(twin) is type(layer), twin.weight
    with torch.no_grad():
        twin.weight = torch.zeros(2, 2)
    yield twin.weight, layer.weight
    pair = copy.deepcopy(torch.nn.ModuleList([layer, layer]))
    yield pair[0] is pair[1]
    yield attempt(pickle.dumps, layer), attempt(copy.copy, layer)

    class Own(torch.nn.Linear):
        def __deepcopy__(self, memo):
            return "mine"

    own = torch.nn.utils.parametrize.register_parametrization(Own(1, 1), "weight", Twice())
    yield copy.deepcopy(own)


@both
def test_cached(torch):
    parametrize = torch.nn.utils.parametrize
    calls = []

    def noted(x):
        calls.append(1)
        return x * 2

    layer = seeded(torch, 2, 2)
    parametrize.register_parametrization(layer, "weight", made(torch, noted))
    calls.clear()
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            yield layer.weight is first, len(calls)
        yield layer.weight is first, len(calls)
        layer(torch.ones(1, 2)).sum().backward()
    yield layer.weight is first, len(calls), layer.parametrizations.weight.original.grad


@both
def test_weight_norm(torch):
    weight_norm = torch.nn.utils.parametrizations.weight_norm
    for dim in (0, 1, None, -1, -2):
        layer = weight_norm(seeded(torch, 3, 2), dim=dim)
        yield layer, layer.state_dict(), layer.weight, layer.parametrizations.weight.unsafe
        layer(torch.arange(3.0)[None]).square().sum().backward()
        yield [p.grad for p in layer.parameters()]
        layer.weight = torch.ones(2, 3)
        yield layer.state_dict(), layer.parametrizations.weight[0].dim
    torch.manual_seed(1)
    layer = torch.nn.Sequential(weight_norm(torch.nn.Conv1d(2, 3, 2)))
    yield layer.state_dict()
    older = {"0.weight_g": torch.ones(3, 1, 1), "0.weight_v": torch.ones(3, 2, 2)}
    yield layer.load_state_dict({**older, "0.bias": torch.zeros(3)}), layer[0].weight, list(older)
    yield attempt(layer.load_state_dict, {"0.weight_g": torch.ones(3, 1, 1)})
    yield attempt(weight_norm, seeded(torch, 2, 2), "absent")
    yield attempt(weight_norm, seeded(torch, 2, 2), dim=3)
    lstm = weight_norm(torch.nn.LSTM(2, 2), "weight_hh_l0")
    yield list(lstm.state_dict()), weight_norm(seeded(torch, 2, 2).half()).weight
    yield weight_norm(seeded(torch, 9, 8).bfloat16(), dim=None).weight.float()


@both
def test_spectral_norm(torch):
    spectral_norm = torch.nn.utils.parametrizations.spectral_norm
    for options in ({}, {"dim": 1}, {"dim": -1, "n_power_iterations": 3}, {"eps": 1e-2}):
        layer = spectral_norm(seeded(torch, 3, 4), **options)
        yield layer, layer.state_dict()
        yield layer.weight, layer.weight, layer.state_dict()
        layer.eval()
        yield layer.weight, layer.weight
        layer(torch.arange(3.0)[None]).square().sum().backward()
        yield layer.parametrizations.weight.original.grad
        layer.weight = torch.ones(4, 3)
        yield layer.weight, layer.parametrizations.weight.original
    torch.manual_seed(1)
    yield spectral_norm(torch.nn.Conv2d(2, 3, 2)).state_dict()
    yield spectral_norm(seeded(torch, 2, 3), "bias").bias
    yield spectral_norm(seeded(torch, 2, 3).double()).weight
    for options in ({"name": "absent"}, {"dim": 2}, {"dim": -3}, {"n_power_iterations": 0}):
        yield attempt(spectral_norm, seeded(torch, 2, 2), **options)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", [None, "matrix_exp", "cayley", "householder"])
def test_orthogonal(kind, trivial):
    @both
    def scenario(torch):
        orthogonal = torch.nn.utils.parametrizations.orthogonal
        for size in ((3, 3), (3, 4), (4, 3)):
            torch.manual_seed(0)
            layer = torch.nn.Linear(*size, dtype=torch.float64)
            orthogonal(layer, "weight", kind, use_trivialization=trivial)
            yield layer.state_dict(), layer.weight
            factors = torch.arange(1.0, 5, dtype=torch.float64)[: size[0]]
            (layer.weight * factors).square().sum().backward()
            yield layer.parametrizations.weight.original.grad
            for value in (torch.eye(size[1], size[0]), torch.rand(size[1], size[0])):
                yield attempt(setattr, layer, "weight", value.double())
                yield layer.weight
            yield attempt(setattr, layer, "weight", torch.ones(2, 2))

    scenario()


@both
def test_orthogonal_of_other_tensors(torch):
    orthogonal = torch.nn.utils.parametrizations.orthogonal
    for args in (("absent",), ("bias",), ("weight", "absent")):
        yield attempt(orthogonal, seeded(torch, 2, 2), *args)
    complex_layer = torch.nn.Linear(2, 2, dtype=torch.complex64)
    yield attempt(orthogonal, complex_layer, "weight", "householder")
    weight = orthogonal(torch.nn.Linear(2, 3, dtype=torch.complex64)).weight.detach()
    yield (weight.mH @ weight).abs().round(decimals=4)
    torch.manual_seed(0)
    yield orthogonal(torch.nn.Bilinear(3, 3, 2)).weight


# -- torchcompat alone: JAX, Flax and compile ------------------------------------------------------

KINDS = {
    "weight_norm": nn.utils.parametrizations.weight_norm,
    "spectral_norm": nn.utils.parametrizations.spectral_norm,
    "orthogonal": nn.utils.parametrizations.orthogonal,
}
X = jnp.arange(6.0).reshape(2, 3) / 5


def model(kind):
    torchcompat.manual_seed(0)
    apply = KINDS[kind]
    return nn.Sequential(apply(nn.Linear(3, 4)), nn.ReLU(), apply(nn.Linear(4, 2)))


def step(model, forward):
    model.zero_grad()
    loss = (forward(torchcompat.as_tensor(np.asarray(X))) ** 2).sum()
    loss.backward()
    with torchcompat.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.1 * parameter.grad)
    return loss.item()


def assert_same_state(a, b):
    for name, value in a.state_dict().items():
        np.testing.assert_allclose(value, b.state_dict()[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_training_compiled(kind):
    eager, forward, whole = model(kind), model(kind), model(kind)
    compiled = torchcompat.compile(forward)
    compiled_step = torchcompat.compile(lambda: step_traced(whole))
    for _ in range(3):
        expected = step(eager, eager)
        assert step(forward, compiled) == pytest.approx(expected, rel=1e-5)
        assert compiled_step().item() == pytest.approx(expected, rel=1e-5)
    assert_same_state(eager, forward)
    assert_same_state(eager, whole)
    eager.eval(), forward.eval()
    np.testing.assert_allclose(compiled(X), eager(X), rtol=1e-5)


def step_traced(model):
    model.zero_grad()
    loss = (model(torchcompat.as_tensor(X)) ** 2).sum()
    loss.backward()
    with torchcompat.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.1 * parameter.grad)
    return loss


@pytest.mark.parametrize("kind", KINDS)
def test_jax_and_flax(kind):
    ours = model(kind).eval()
    expected = ours(X)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(ours, X), expected, rtol=1e-5)
    np.testing.assert_allclose(nnx.jit(lambda m, x: m(x))(ours, X), expected, rtol=1e-5)
    twin = nnx.merge(*nnx.split(ours))
    assert type(twin[0]) is type(ours[0])
    np.testing.assert_allclose(twin(X), expected)
    weights = {name: p._read() for name, p in ours.named_parameters()}
    grads = jax.jit(jax.grad(lambda w: functional_call(ours, w, (X,)).sum()))(weights)
    ours(torchcompat.as_tensor(np.asarray(X))).sum().backward()
    for name, parameter in ours.named_parameters():
        np.testing.assert_allclose(grads[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_spectral_norm_updates_under_jax():
    """In training the singular vectors are state: those given are used, and those written kept."""
    eager, ours = model("spectral_norm"), model("spectral_norm")
    eager(X)
    nnx.jit(lambda m, x: m(x))(ours, X)
    assert_same_state(eager, ours)
    params = {name: p._read() for name, p in ours.named_parameters()}
    buffers = {name: b._read() for name, b in ours.named_buffers()}
    loss = lambda w: functional_call(ours, {**w, **buffers}, (X,)).sum()  # noqa: E731
    grads = jax.jit(jax.grad(loss))(params)
    eager(torchcompat.as_tensor(np.asarray(X))).sum().backward()
    for name, parameter in eager.named_parameters():
        np.testing.assert_allclose(grads[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_assignment_in_a_compiled_function_is_state():
    ours = model("weight_norm")

    @torchcompat.compile
    def assign(value):
        ours[0].weight = value
        return ours(value[:2])

    for _ in range(2):
        value = torchcompat.rand(4, 3)
        result = assign(value)
        np.testing.assert_allclose(ours[0].weight.detach(), value, rtol=1e-5)
        np.testing.assert_allclose(result.detach(), ours(value[:2]).detach(), rtol=1e-5)


def test_cached_does_not_leak_tracers():
    ours = model("weight_norm")
    compiled = torchcompat.compile(ours)
    with nn.utils.parametrize.cached():
        eager = ours(X)
        np.testing.assert_allclose(compiled(X), eager, rtol=1e-5)
        np.testing.assert_allclose(jax.jit(lambda x: ours(x))(X), eager, rtol=1e-5)
        np.testing.assert_allclose(ours(X), eager)
    with torchcompat.no_grad():
        ours[0].parametrizations.weight.original0.mul_(2)
    np.testing.assert_allclose(compiled(X), ours(X), rtol=1e-5)
    assert np.abs(np.asarray(compiled(X)) - np.asarray(eager)).max() > 1e-3


def test_classes_are_shared():
    """JAX keeps every Module class for good, so parametrizing again must not make new ones."""
    kinds = {type(model("weight_norm")[0]) for _ in range(3)}
    assert len(kinds) == 1
