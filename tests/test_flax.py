"""Modules as NNX graph nodes and JAX pytrees; runs without torch on the oldest jax and flax too."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import torchcompat as torch
from torchcompat import nn
from torchcompat.func import functional_call

TREE_MODE = "graph" in inspect.signature(nnx.split).parameters
MODES = [{}, *([{"graph": False}] if TREE_MODE else [])]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Sequential(nn.Linear(8, 2))
    )


X = jnp.asarray(np.random.default_rng(0).normal(size=(16, 4)), jnp.float32)


def paths(state):
    return {".".join(map(str, path)) for path, _ in nnx.to_flat_state(state)}


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_state_paths_are_torch_names(mode):
    model = network()
    _, state = nnx.split(model, **mode)
    assert paths(state) == set(model.state_dict())
    _, params, rest = nnx.split(model, nnx.Param, ..., **mode)
    assert paths(params) == {name for name, _ in model.named_parameters()}
    assert paths(rest) == {name for name, _ in model.named_buffers()}


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_split_and_merge_give_an_equal_module(mode):
    model = network().eval()
    graphdef, state = nnx.split(model, **mode)
    copy = nnx.merge(graphdef, state)
    assert type(copy) is type(model) and repr(copy) == repr(model)
    assert list(copy.state_dict()) == list(model.state_dict())
    assert [type(p) for p in copy.parameters()] == [nn.Parameter] * 6
    assert not copy.training and not copy[0].training
    np.testing.assert_array_equal(copy(X), model(X))


def test_update_writes_into_the_module():
    model = network()
    state = nnx.state(model, nnx.Param)
    nnx.update(model, jax.tree.map(jnp.zeros_like, state))
    assert all(not np.asarray(p).any() for p in model.parameters())
    assert np.asarray(model(X)).shape == (16, 2)
    with torch.no_grad():
        model[0].weight.fill_(3)
    assert (np.asarray(nnx.state(model)["0"]["weight"][...]) == 3).all()


def test_nnx_jit_carries_buffers_and_modes():
    model, other = network(), network()
    forward = nnx.jit(lambda m, x: m(x))
    np.testing.assert_allclose(forward(model, X), other(X), rtol=1e-5, atol=1e-6)
    for (name, a), b in zip(model.named_buffers(), other.buffers()):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, err_msg=name)
    assert model[1].num_batches_tracked.item() == 1
    model.eval()
    other.eval()
    np.testing.assert_allclose(forward(model, X), other(X), rtol=1e-5, atol=1e-6)
    assert model[1].num_batches_tracked.item() == 1


def test_nnx_jit_does_not_trace_twice():
    runs = []

    class Noted(nn.Linear):
        def forward(self, x):
            runs.append(1)
            return super().forward(x)

    model = Noted(4, 2)
    forward = nnx.jit(lambda m, x: m(x))
    for _ in range(3):
        forward(model, X)
    assert len(runs) == 1


def test_optimizer_trains():
    model = network()
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, x):
        loss, grads = nnx.value_and_grad(lambda m: (m(x) ** 2).mean())(model)
        optimizer.update(model, grads)
        return loss

    losses = [float(step(model, optimizer, X)) for _ in range(20)]
    assert losses[-1] < 0.2 * losses[0]
    assert model[1].num_batches_tracked.item() == 20


def test_frozen_parameters_are_left_out_of_param():
    model = network()
    model[0].requires_grad_(False)
    assert paths(nnx.state(model, nnx.Param)) == {
        n for n, p in model.named_parameters() if p.requires_grad
    }
    copy = nnx.merge(*nnx.split(model))
    assert [p.requires_grad for p in copy.parameters()] == [False] * 2 + [True] * 4


def test_gradients_agree_with_functional_call():
    model = network().eval()
    weights = {name: p._read() for name, p in model.named_parameters()}
    by_name = jax.grad(lambda w: (functional_call(model, w, (X,)) ** 2).mean())(weights)
    by_node = nnx.grad(lambda m: (m(X) ** 2).mean())(model)
    for path, leaf in nnx.to_flat_state(by_node):
        np.testing.assert_allclose(leaf[...], by_name[".".join(path)], rtol=1e-6)


def test_jax_jit_grad_and_vmap_take_modules():
    model = network().eval()
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(model, X), model(X), rtol=1e-5, atol=1e-6)
    grads = jax.grad(lambda m: (m(X) ** 2).mean(), allow_int=True)(model)
    assert type(grads) is type(model)
    np.testing.assert_allclose(
        np.asarray(grads[0].weight),
        nnx.grad(lambda m: (m(X) ** 2).mean())(model)["0"]["weight"][...],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        jax.vmap(lambda x: model(x[None])[0])(X), model(X), rtol=1e-5, atol=1e-6
    )
    # Outside of our ops JAX has no 64-bit integers: leave the batch counter alone.
    doubled = jax.tree.map(lambda a: a * 2 if a.dtype == jnp.float32 else a, model)
    np.testing.assert_array_equal(np.asarray(doubled[0].bias), 2 * np.asarray(model[0].bias))


def test_vmap_over_stacked_modules():
    models = [network().eval() for _ in range(3)]
    weights = [{n: t._read() for n, t in m.state_dict().items()} for m in models]
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *weights)
    out = jax.vmap(lambda w: functional_call(models[0], w, (X,)))(stacked)
    for one, model in zip(out, models):
        np.testing.assert_allclose(one, model(X), rtol=1e-5, atol=1e-6)


def test_an_nnx_module_may_hold_one():
    class Holder(nnx.Module):
        def __init__(self, rngs):
            self.ours = network()
            self.theirs = nnx.Linear(2, 3, rngs=rngs)

        def __call__(self, x):
            return self.theirs(self.ours(x))

    holder = Holder(nnx.Rngs(0))
    names = {f"ours.{name}" for name in network().state_dict()}
    assert paths(nnx.state(holder)) == names | {"theirs.kernel", "theirs.bias"}
    forward = nnx.jit(lambda m, x: m(x))
    assert forward(holder, X).shape == (16, 3)
    assert holder.ours[1].num_batches_tracked.item() == 1
    optimizer = nnx.Optimizer(holder, optax.adam(1e-2), wrt=nnx.Param)
    grads = nnx.grad(lambda m: (m(X) ** 2).mean())(holder)
    optimizer.update(holder, grads)


def test_tied_weights_are_one_variable():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    graphdef, state = nnx.split(model)
    assert paths(state) == {"0.weight"}
    copy = nnx.merge(graphdef, state)
    assert copy[0].weight is copy[1].weight


def test_hooks_and_attributes_survive_a_merge():
    model = nn.Linear(4, 2)
    model.note = "kept"
    seen = []
    model.register_forward_hook(lambda m, args, out: seen.append(out.shape))
    copy = nnx.merge(*nnx.split(model))
    copy(X)
    assert copy.note == "kept" and seen == [torch.Size([16, 2])]


def test_writing_to_outside_state_under_jit_is_refused():
    model = network()
    with pytest.raises(RuntimeError, match="in-place write to a tensor from outside"):
        jax.jit(lambda x: model(x))(X)
    assert model[1].num_batches_tracked.item() == 0


def test_functional_call_drops_updates_of_arrays_under_jit():
    model = network()
    state = {name: t._read() for name, t in model.state_dict().items()}
    out = jax.jit(lambda x: functional_call(model, state, (x,)))(X)
    np.testing.assert_allclose(out, network()(X), rtol=1e-5, atol=1e-6)
    assert model[1].num_batches_tracked.item() == 0
    assert not np.asarray(state["1.running_mean"]).any()
