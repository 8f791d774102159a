"""Optimizer state between torch, torchcompat and Optax, by parameter name."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest
import torch
from flax import nnx

import torchcompat
from converters import from_optax, from_torch, to_optax, to_torch
from torchcompat import nn

# torch's optimizer, its options, and the same in Optax
PAIRS = {
    "SGD": ({"lr": 0.05, "momentum": 0.9}, optax.sgd(0.05, 0.9)),
    "SGD nesterov": (
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
        optax.sgd(0.05, 0.9, nesterov=True),
    ),
    "Adam": ({"lr": 0.01}, optax.adam(0.01)),
    "AdamW": ({"lr": 0.01, "weight_decay": 0.1}, optax.adamw(0.01, weight_decay=0.1)),
    "AdamW schedule": (
        {"lr": 0.01, "weight_decay": 0.1},
        optax.adamw(optax.constant_schedule(0.01), weight_decay=0.1),
    ),
}
STEPS, HALF = 10, 5


def network(library):
    layers = library.nn
    return layers.Sequential(
        layers.Conv2d(1, 3, 3), layers.ReLU(), layers.Flatten(), layers.Linear(12, 3)
    )


def batches():
    rng = np.random.RandomState(0)
    return [(rng.randn(5, 1, 4, 4).astype(np.float32), rng.randint(0, 3, 5)) for _ in range(STEPS)]


def made(library, pair, start=None, named=False):
    torch.manual_seed(0)
    model = network(library)
    if library is torchcompat:
        model.load_state_dict(from_torch(network(torch).state_dict() if start is None else start))
    params = model.named_parameters() if named else model.parameters()
    kind = getattr(library.optim, pair.partition(" ")[0])
    return model, kind(params, **PAIRS[pair][0])


def train(library, model, optimizer, data):
    losses = []
    for x, y in data:
        optimizer.zero_grad()
        loss = library.nn.functional.cross_entropy(model(library.tensor(x)), library.tensor(y))
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def train_with_optax(model, transformation, opt_state, data):
    """Goes on with Optax on the module's parameters; returns the losses, and what was reached."""
    params = {name: p.__jax_array__() for name, p in model.named_parameters()}

    @jax.jit
    def step(params, opt_state, x, y):
        def loss(params):
            out = torchcompat.func.functional_call(model, params, (x,))
            return nn.functional.cross_entropy(out, y)

        value, grads = jax.value_and_grad(loss)(params)
        updates, opt_state = transformation.update(grads, opt_state, params)
        return value, optax.apply_updates(params, updates), opt_state

    losses = []
    for x, y in data:
        value, params, opt_state = step(params, opt_state, x, y.astype(np.int32))
        losses.append(float(value))
    return losses, params, opt_state


@pytest.mark.parametrize("pair", PAIRS)
def test_begun_in_torch_continued_with_optax_and_back(pair):
    model, optimizer = made(torch, pair)
    train(torch, model, optimizer, batches()[:HALF])
    ours, own = made(torchcompat, pair, model.state_dict())
    transformation = PAIRS[pair][1]
    params = {name: p.__jax_array__() for name, p in ours.named_parameters()}
    opt_state = to_optax(optimizer, transformation.init(params), model)

    losses, reached, opt_state = train_with_optax(
        ours, transformation, opt_state, batches()[HALF : STEPS - 2]
    )
    expected = train(torch, model, optimizer, batches()[HALF : STEPS - 2])
    assert losses == pytest.approx(expected, rel=1e-4)

    # And back: the last steps in torchcompat.
    for name, p in ours.named_parameters():
        p.data = torchcompat.tensor(reached[name])
    own.load_state_dict(from_optax(opt_state, own, ours))
    losses = train(torchcompat, ours, own, batches()[STEPS - 2 :])
    assert losses == pytest.approx(train(torch, model, optimizer, batches()[STEPS - 2 :]), rel=1e-4)


@pytest.mark.parametrize("pair", PAIRS)
def test_round_trip_keeps_every_bit(pair):
    model, optimizer = made(torch, pair)
    train(torch, model, optimizer, batches()[:2])
    params = {name: np.asarray(p.detach()) for name, p in model.named_parameters()}
    empty = PAIRS[pair][1].init(params)
    opt_state = to_optax(optimizer, empty, model)
    assert jax.tree.structure(opt_state) == jax.tree.structure(empty)
    back = to_torch(from_optax(opt_state, optimizer, model))
    expected = optimizer.state_dict()
    assert back["param_groups"] == expected["param_groups"]
    for i, held in expected["state"].items():
        assert set(back["state"][i]) == set(held)
        for key, value in held.items():
            assert back["state"][i][key].dtype is value.dtype
            assert torch.equal(back["state"][i][key], value), key


def test_named_parameters_and_flax_trees():
    model, optimizer = made(torchcompat, "Adam", named=True)
    train(torchcompat, model, optimizer, batches()[:1])
    state = nnx.state(model, nnx.Param)
    opt_state = to_optax(optimizer, optax.adam(0.01).init(state))
    held = {".".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(opt_state[0].mu)}
    for name, p in model.named_parameters():
        found = held[name]
        array = found.get_value() if hasattr(found, "get_value") else found
        assert np.array_equal(np.asarray(array), optimizer.state[p]["exp_avg"].numpy())


def test_errors():
    model, optimizer = made(torchcompat, "Adam")
    train(torchcompat, model, optimizer, batches()[:1])
    params = {name: p.__jax_array__() for name, p in model.named_parameters()}
    adam = optax.adam(0.1).init(params)
    with pytest.raises(ValueError, match="not made of named parameters"):
        to_optax(optimizer, adam)
    with pytest.raises(ValueError, match="1 names for 4 parameters"):
        to_optax(optimizer, adam, ["a"])
    with pytest.raises(ValueError, match="no parameter '0.bias'"):
        to_optax(optimizer, adam, list("abcd"))
    with pytest.raises(ValueError, match="no parameter 'a' in the Optax state"):
        from_optax(adam, optimizer, list("abcd"))
    with pytest.raises(NotImplementedError, match="ScaleByRmsState has no counterpart"):
        to_optax(optimizer, optax.rmsprop(0.1).init(params), model)
    optimizer.state[next(model.parameters())]["step"] += 1
    with pytest.raises(ValueError, match="different numbers of steps"):
        to_optax(optimizer, adam, model)
    other = torchcompat.optim.Adadelta(model.parameters())
    other.step()
    with pytest.raises(NotImplementedError, match="acc_delta has no counterpart"):
        to_optax(other, adam, model)
