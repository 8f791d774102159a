"""What a compiled model computes of its parameters alone is kept until one of them is another."""

import copy
import gc

import jax
import numpy as np
import pytest

import torchcompat as torch
from torchcompat import nn
from torchcompat._compile._kept import Kept


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten()
    ).eval()


def programs(fast):
    return [one for several in fast._compiled._table.values() for one in several]


def zero(model):
    model[0].weight.zero_()


def replaced(model):
    model[3].weight.data = model[3].weight.data * 2


def loaded(model):
    model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()}, assign=True)


def statistics(model):
    model[1].running_var.fill_(4.0)


def trained(model):
    with torch.enable_grad():
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(1, 3, 6, 6)).sum().backward()
        optimizer.step()


def layer(model):
    model[0] = nn.Conv2d(3, 8, 3)


@pytest.mark.parametrize("change", [zero, replaced, loaded, statistics, trained, layer])
def test_changes_are_seen(change):
    model = network()
    fast = torch.compile(model)
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        before = np.asarray(fast(x))
        assert isinstance(programs(fast)[0].compiled, Kept)
        np.testing.assert_allclose(np.asarray(fast(x)), before)
        change(model)
        expected = np.asarray(copy.deepcopy(model)(x))
        assert not np.allclose(expected, before)
        for _ in range(2):
            np.testing.assert_allclose(np.asarray(fast(x)), expected, rtol=1e-5, atol=1e-5)


def test_parameters_are_not_held_on_to():
    model = network()
    fast = torch.compile(model)
    with torch.no_grad():
        fast(torch.ones(2, 3, 6, 6))
        held = model[0].weight._cell.value
        kept = programs(fast)[0].compiled
        model[0].weight.zero_()
        pointers = [one() for one in kept._seen]
        assert any(one is held for one in pointers)
        del held, pointers
        gc.collect()
        assert any(one() is None for one in kept._seen)


def test_what_grows_is_made_anew():
    """A few numbers that are spread over an image."""
    model = nn.Conv2d(1, 1, 3, padding=1).eval()
    model.register_buffer("row", torch.ones(64))

    def run(x):
        return model(x) * (model.row[:, None] * model.row + 1)

    fast, x = torch.compile(run), torch.ones(1, 1, 64, 64)
    with torch.no_grad():
        np.testing.assert_allclose(np.asarray(fast(x)), np.asarray(run(x)), rtol=1e-5)
    (program,) = programs(fast)
    assert all(one.size <= 64 for one in program.compiled._made)


def test_inside_jax_transformations():
    model = network()
    fast = torch.compile(model)
    x = jax.numpy.ones((2, 3, 6, 6))
    with torch.no_grad():
        expected = np.asarray(fast(x))
        np.testing.assert_allclose(np.asarray(jax.jit(fast)(x)), expected, rtol=1e-5, atol=1e-6)
        slope = jax.grad(lambda x: fast(x).sum())(x)
    assert slope.shape == x.shape and np.abs(slope).max() > 0
