"""nn.utils.prune under both libraries."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest
import torch.nn.utils.prune  # noqa: F401 (torch does not import it by itself)
from _both import attempt, both
from jax import numpy as jnp

import torchcompat

nn = torchcompat.nn
prune = nn.utils.prune


def seeded(torch, *size):
    torch.manual_seed(0)
    return torch.nn.Linear(*size)


def state(module):
    """By name in order: after a refusal torch has moved the parameter to the end."""
    return dict(sorted(module.state_dict().items()))


def hooks(module):
    return list(module._forward_pre_hooks.values())


@both
def test_pruning_once(torch):
    prune = torch.nn.utils.prune
    layer = seeded(torch, 4, 3)
    yield prune.l1_unstructured(layer, "weight", amount=0.5) is layer
    yield layer, layer.weight, layer.state_dict(), "weight" in layer.__dict__, hooks(layer)
    yield [n for n, _ in layer.named_parameters()], [n for n, _ in layer.named_buffers()]
    yield hooks(layer)[0].__dict__, hooks(layer)[0].PRUNING_TYPE
    layer(torch.ones(1, 4)).sum().backward()
    yield [p.grad for p in layer.parameters()]
    with torch.no_grad():
        layer.weight_orig.mul_(2)
    layer(torch.ones(1, 4))
    yield layer.weight, prune.is_pruned(layer), prune.is_pruned(seeded(torch, 1, 1))
    yield attempt(copy.deepcopy, layer)
    fresh = pickle.loads(pickle.dumps(layer))
    yield fresh.weight_mask, hooks(fresh)[0].amount


@both
def test_pruning_further(torch):
    prune = torch.nn.utils.prune
    layer = seeded(torch, 4, 3)
    prune.l1_unstructured(layer, "weight", amount=0.5)
    prune.random_unstructured(layer, "weight", amount=2)
    container = hooks(layer)[0]
    yield layer.weight, [type(one) for one in container], container._tensor_name
    prune.ln_structured(layer, "weight", amount=1, n=2, dim=0)
    yield layer.weight, len(container), type(container[-1]), hooks(layer)[0] is container
    prune.random_structured(layer, "weight", amount=1, dim=1)
    yield layer.weight
    prune.custom_from_mask(layer, "weight", torch.tensor([[1.0, 0, 1, 0]] * 3))
    yield layer.weight, layer.weight_mask
    prune.identity(layer, "bias")
    yield layer.bias, layer.bias_mask, len(hooks(layer))
    yield prune.remove(layer, "weight") is layer, layer.weight, layer.state_dict()
    yield attempt(prune.remove, layer, "weight"), prune.is_pruned(layer)
    prune.remove(layer, "bias")
    yield layer, layer.state_dict(), hooks(layer)


@both
def test_amounts(torch):
    prune = torch.nn.utils.prune
    for amount in (-1, 1.5, -0.1, "a", None, 13, 0, 0.0, 1.0, 12, 0.04, 1):
        layer = seeded(torch, 4, 3)
        yield attempt(prune.l1_unstructured, layer, "weight", amount=amount)
        yield state(layer)
    for amount in (4, 0, 0.34, 3):
        layer = seeded(torch, 4, 3)
        yield attempt(prune.ln_structured, layer, "weight", amount, 2, 0), layer.weight


@both
def test_what_cannot_be_pruned(torch):
    prune = torch.nn.utils.prune
    layer = seeded(torch, 4, 3)
    yield attempt(prune.ln_structured, layer, "bias", amount=1, n=2, dim=0)
    yield attempt(prune.ln_structured, layer, "weight", amount=1, n=2, dim=2)
    yield attempt(prune.random_structured, layer, "bias", amount=1, dim=0)
    yield attempt(prune.l1_unstructured, layer, "absent", amount=1)
    scores = torch.ones(2)
    yield attempt(prune.l1_unstructured, layer, "weight", 3, importance_scores=scores)
    yield attempt(prune.custom_from_mask, layer, "weight", torch.ones(3))
    yield attempt(prune.BasePruningMethod)
    yield state(layer), hooks(layer)


@both
def test_norms(torch):
    prune = torch.nn.utils.prune
    for n in (1, 2, float("inf"), -float("inf"), 0):
        for amount, dim in ((0.34, 0), (1, -1)):
            torch.manual_seed(1)
            layer = torch.nn.Conv2d(2, 3, 2)
            yield prune.ln_structured(layer, "weight", amount=amount, n=n, dim=dim).weight_mask


@both
def test_importance_scores(torch):
    prune = torch.nn.utils.prune
    scores = torch.arange(12.0).view(3, 4)
    layer = prune.l1_unstructured(seeded(torch, 4, 3), "weight", 3, importance_scores=scores)
    yield layer.weight_mask
    layer = prune.ln_structured(seeded(torch, 4, 3), "weight", 1, 2, 1, importance_scores=scores)
    yield layer.weight_mask


@both
def test_global_pruning(torch):
    prune = torch.nn.utils.prune
    a, b = seeded(torch, 3, 2), torch.nn.Linear(2, 2)
    both = [(a, "weight"), (b, "weight")]
    prune.global_unstructured(both, prune.L1Unstructured, amount=0.4)
    yield a.weight_mask, b.weight_mask, a.weight, b.weight, hooks(a)
    prune.global_unstructured(both, prune.RandomUnstructured, amount=2)
    yield a.weight_mask, b.weight_mask
    scores = {(a, "bias"): torch.tensor([1.0, 0])}
    prune.global_unstructured([(a, "bias")], prune.L1Unstructured, scores, amount=1)
    yield a.bias_mask
    yield attempt(prune.global_unstructured, both, prune.LnStructured, amount=1, n=2)
    yield attempt(prune.global_unstructured, 3, prune.L1Unstructured, amount=1)
    yield attempt(prune.global_unstructured, both, prune.L1Unstructured, [1], amount=1)


@both
def test_methods_of_ones_own(torch):
    prune = torch.nn.utils.prune

    class EveryOther(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    layer = seeded(torch, 2, 2)
    yield type(EveryOther.apply(layer, "bias")), layer.bias_mask, layer.bias
    EveryOther.apply(layer, "bias")
    yield layer.bias_mask
    yield EveryOther().prune(torch.arange(4.0))
    smallest = prune.L1Unstructured(2)
    values, mask = torch.tensor([3.0, 1, 2, 4]), torch.tensor([1.0, 1, 1, 0])
    yield smallest.prune(values, default_mask=mask)
    yield smallest.prune(values, importance_scores=torch.tensor([4.0, 3, 2, 1]))
    yield attempt(smallest.prune, values, importance_scores=torch.ones(3))
    yield attempt(smallest.apply_mask, layer), attempt(smallest.remove, layer)


@both
def test_containers(torch):
    prune = torch.nn.utils.prune
    method = prune.L1Unstructured(1)
    method._tensor_name = "weight"
    container = prune.PruningContainer()
    container._tensor_name = "bias"
    yield attempt(container.add_pruning_method, 3), attempt(container.add_pruning_method, method)
    yield len(container), len(prune.PruningContainer(method))
    yield prune.PruningContainer(method)._tensor_name

    class Odd(prune.BasePruningMethod):
        PRUNING_TYPE = "odd"

        def compute_mask(self, t, default_mask):
            return default_mask

    odd = Odd()
    odd._tensor_name = "weight"
    for kind, dim in (("odd", None), ("structured", None), ("structured", -3), ("global", -3)):
        odd.PRUNING_TYPE = kind
        if dim is not None:
            odd.dim = dim
        compute = prune.PruningContainer(odd).compute_mask
        yield attempt(compute, torch.ones(2, 2), torch.ones(2, 2))


@both
def test_loading(torch):
    prune = torch.nn.utils.prune
    torch.manual_seed(0)
    source, target = (torch.nn.Sequential(torch.nn.Linear(2, 2)) for _ in range(2))
    prune.random_unstructured(source[0], "bias", 0.5)
    prune.identity(target[0], "bias")
    yield target.load_state_dict(source.state_dict())
    yield target(torch.ones(1, 2)), target[0].bias, prune.is_pruned(source)


# -- torchcompat alone -----------------------------------------------------------------------------

X = jnp.arange(8.0).reshape(2, 4) / 5


def pruned():
    layer = seeded(torchcompat, 4, 3)
    prune.l1_unstructured(layer, "weight", amount=0.5)
    return nn.Sequential(layer, nn.ReLU())


def step(model, forward):
    model.zero_grad()
    forward(torchcompat.as_tensor(np.asarray(X))).square().sum().backward()
    with torchcompat.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.1 * parameter.grad)


def test_training_compiled():
    eager, ours = pruned(), pruned()
    compiled = torchcompat.compile(ours)
    for _ in range(3):
        step(eager, eager)
        step(ours, compiled)
    np.testing.assert_allclose(compiled(X), eager(X), rtol=1e-5)
    for name, value in eager.state_dict().items():
        np.testing.assert_allclose(value, ours.state_dict()[name], rtol=1e-5, atol=1e-6)
    eager.eval(), ours.eval()
    np.testing.assert_allclose(compiled(X), eager(X), rtol=1e-5)
    np.testing.assert_allclose(ours[0].weight, eager[0].weight.detach(), rtol=1e-5)


def test_pruning_a_compiled_model():
    ours = nn.Sequential(seeded(torchcompat, 4, 3))
    compiled = torchcompat.compile(ours)
    dense = np.asarray(compiled(X))
    prune.random_unstructured(ours[0], "weight", amount=6)
    np.testing.assert_allclose(compiled(X), ours(X), rtol=1e-5)
    assert np.abs(np.asarray(compiled(X)) - dense).max() > 1e-3


def test_jax():
    ours = pruned()
    expected = ours(X)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(ours, X), expected, rtol=1e-5)
    weights = {name: p._read() for name, p in ours.named_parameters()}
    call = torchcompat.func.functional_call
    grads = jax.jit(jax.grad(lambda w: call(ours, w, (X,)).sum()))(weights)
    ours(torchcompat.as_tensor(np.asarray(X))).sum().backward()
    np.testing.assert_allclose(grads["0.weight_orig"], ours[0].weight_orig.grad, rtol=1e-5)
    assert not isinstance(ours[0].weight._read(), jax.core.Tracer)


def test_a_method_that_fails_changes_nothing():
    class Failing(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            raise ValueError("no mask")

    ours = pruned()[0]
    container = hooks(ours)[0]
    before = {name: value.tolist() for name, value in ours.state_dict().items()}
    with pytest.raises(ValueError, match="no mask"):
        Failing.apply(ours, "weight")
    assert hooks(ours) == [container]
    assert {name: value.tolist() for name, value in ours.state_dict().items()} == before
