"""torch.utils.checkpoint: the same numbers, computed again and not kept."""

import re

import jax
import pytest
import torch

import torchcompat as tc

pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")


def story(m, reentrant, inner=None):
    """Outputs, gradients and how often the function ran, with and without checkpoint."""
    checkpoint = m.utils.checkpoint.checkpoint
    m.manual_seed(0)
    nn = m.nn
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Dropout(0.3), nn.Linear(4, 4), nn.ReLU())
    x = m.randn(3, 4, requires_grad=True)
    runs = []

    def function(a):
        runs.append(1)
        return model(a)

    told = []
    for call in (function, lambda a: checkpoint(function, a, use_reentrant=reentrant)):
        model.zero_grad()
        x.grad = None
        m.manual_seed(1)
        out = call(x * 2)
        out.sum().backward()
        told.append([out, x.grad, *(p.grad for p in model.parameters())])
    return told, len(runs)


@pytest.mark.parametrize("reentrant", [True, False])
def test_numbers_and_runs(reentrant):
    (plain, again), runs = story(tc, reentrant)
    assert runs == 3 == story(torch, reentrant)[1]
    for a, b in zip(plain, again):
        assert tc.equal(a, b)


def test_nothing_is_kept():
    layers = [tc.nn.Tanh() for _ in range(5)]

    def function(a):
        for layer in layers:
            a = layer(a)
        return a

    sizes = []
    held = tc._tensor._state.state
    x = tc.ones(7, requires_grad=True)
    checkpoint = tc.utils.checkpoint.checkpoint
    out = checkpoint(function, x, use_reentrant=False)
    node = out.grad_fn
    while node is not None and hasattr(node, "leaves"):
        sizes += [leaf for leaf in node.leaves if isinstance(leaf, jax.Array)]
        node = node.next_functions[0][0] if node.next_functions else None
    assert sizes == [] and held.saved_hooks == ()


@pytest.mark.parametrize("segments", [2, 3])
def test_sequential(segments):
    def gradients(m):
        m.manual_seed(0)
        model = m.nn.Sequential(*(m.nn.Linear(3, 3) for _ in range(5)))
        x = m.ones(2, 3, requires_grad=True)
        run = m.utils.checkpoint.checkpoint_sequential
        run(model, segments, x, use_reentrant=False).sum().backward()
        return x.grad, model[0].weight.grad

    for ours, theirs in zip(gradients(tc), gradients(torch)):
        torch.testing.assert_close(torch.tensor(ours.numpy()), theirs)


def test_twice_through_the_graph():
    x = tc.ones(2, requires_grad=True)
    out = tc.utils.checkpoint.checkpoint(lambda a: (a * a).tanh(), x, use_reentrant=False)
    out.sum().backward(retain_graph=True)
    first = x.grad.clone()
    out.sum().backward()
    assert tc.equal(x.grad, first * 2)


def test_autocast_is_as_it_was():
    kinds = []

    def function(a):
        out = a @ a
        kinds.append(out.dtype)
        return out.sin()

    x = tc.ones(2, 2, requires_grad=True)
    with tc.autocast("cpu"):
        out = tc.utils.checkpoint.checkpoint(function, x, use_reentrant=False)
    out.sum().backward()
    assert kinds == [tc.bfloat16, tc.bfloat16]


def test_without_gradients():
    runs = []
    with tc.no_grad():
        tc.utils.checkpoint.checkpoint(lambda a: runs.append(1), tc.ones(1), use_reentrant=False)
    assert runs == [1]


def test_another_second_run_is_refused():
    runs = []

    def function(a):
        runs.append(1)
        return a.exp().sin() if len(runs) == 1 else a.sin()

    x = tc.ones(2, requires_grad=True)
    out = tc.utils.checkpoint.checkpoint(function, x, use_reentrant=False)
    with pytest.raises(tc.utils.checkpoint.CheckpointError, match="A different number of tensors"):
        out.sum().backward()


@pytest.mark.parametrize("m", [torch, tc], ids=["torch", "torchcompat"])
def test_errors(m):
    checkpoint = m.utils.checkpoint.checkpoint
    x = m.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match=re.escape("Unexpected keyword arguments: b")):
        checkpoint(lambda a, b: a, x, b=1, use_reentrant=True)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(lambda a: a, x, debug=True, use_reentrant=True)


def test_compiled():
    """Inside `compile`, the second run stays in the program: the first's values are not reused."""
    model = tc.nn.Sequential(tc.nn.Linear(4, 4), tc.nn.Tanh(), tc.nn.Linear(4, 4))
    checkpoint = tc.utils.checkpoint.checkpoint

    def step(a):
        a = a * 1
        a.requires_grad_(True)
        out = checkpoint(model, a, use_reentrant=False)
        (g,) = tc.autograd.grad(out.sum(), a)
        return g

    x = tc.ones(2, 4)
    assert tc.allclose(tc.compile(step)(x), step(x), atol=1e-6)
