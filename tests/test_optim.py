"""`Optimizer` itself: groups, names, hooks, state, subclasses, functional forms; averaged models."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import torchcompat
from tests._both import attempt, both
from tests._training import check_same
from torchcompat import nn, optim

VALUES = [[1.0, -2.0], [0.5, 3.0]]


def params(t, count=2):
    made = [t.nn.Parameter(t.tensor(VALUES) * (i + 1)) for i in range(count)]
    for p in made:
        p.grad = t.ones(2, 2)
    return made


@both
def test_groups(t):
    p, q = params(t)
    group = {"params": [p], "lr": 0.5}
    o = t.optim.SGD([group, {"params": q}], lr=0.1, momentum=0.9)
    yield o.param_groups[0] is group, list(group), len(o.param_groups), repr(o)
    yield o.defaults, o.state_dict()
    o.step()
    yield p, q, o.state_dict()
    yield attempt(o.add_param_group, 5)
    yield attempt(o.add_param_group, {"lr": 3})
    yield attempt(o.add_param_group, {"params": p})
    yield attempt(o.add_param_group, {"params": {t.nn.Parameter(t.ones(1))}})
    o.add_param_group({"params": [t.nn.Parameter(t.ones(1))], "extra": 3})
    yield o.state_dict()


@both
def test_constructor_errors(t):
    p, q = params(t)
    for given in ([], p, [1], [p * 2], ["a"], 5, {"params": p}, [("a", p), q], [("a", 5)], [{}]):
        yield attempt(lambda given=given: repr(t.optim.SGD(given, lr=0.1)))
    required = t.optim.Optimizer
    yield attempt(lambda: required([p], {}).step())
    yield attempt(lambda: repr(t.optim.SGD([{"params": [p, p]}])))


@both
def test_names(t):
    p, q = params(t)
    o = t.optim.SGD([("a", p), ("b", q)], lr=0.1)
    yield o.state_dict(), repr(o)
    yield attempt(o.add_param_group, {"params": [t.nn.Parameter(t.ones(1))]})
    plain = t.optim.SGD([p, q], lr=0.2)
    yield attempt(plain.add_param_group, {"params": [("a", t.nn.Parameter(t.ones(1)))]})
    o.load_state_dict(plain.state_dict())
    yield o.state_dict()
    plain.load_state_dict(o.state_dict())
    yield plain.state_dict()


@both
def test_loading(t):
    p, q = params(t)
    o = t.optim.Adam([p, q])
    for bad in (
        {"state": {}, "param_groups": []},
        {"state": {}, "param_groups": [{"params": [0]}]},
    ):
        yield attempt(o.load_state_dict, bad)
    o.step()
    state = o.state_dict()
    state["state"][0]["step"] = 3.0
    state["state"]["own"] = {"key": [1]}
    wide = t.optim.Adam([t.nn.Parameter(x.detach().double()) for x in (p, q)])
    wide.load_state_dict(state)
    yield wide.state_dict()
    o.load_state_dict(state)
    o.step()
    yield p, o.state_dict()


@both
def test_hooks(t):
    (p,) = params(t, 1)
    o = t.optim.SGD([p], lr=0.1)
    seen = []
    remove = [
        o.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", args[1:], kwargs))),
        o.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", args[1:], kwargs))),
        o.register_state_dict_pre_hook(lambda o: seen.append("state")),
        o.register_state_dict_post_hook(lambda o, state: {**state, "more": 1}),
        o.register_state_dict_post_hook(lambda o, state: seen.append(list(state)), prepend=True),
        o.register_load_state_dict_pre_hook(lambda o, state: seen.append(list(state))),
        o.register_load_state_dict_post_hook(lambda o: seen.append("loaded")),
    ]
    o.step()
    state = o.state_dict()
    yield seen, list(state)
    o.load_state_dict(state)
    yield seen
    for handle in remove:
        handle.remove()
    o.step()
    yield len(seen)
    o.register_step_pre_hook(lambda o, args, kwargs: 5)
    yield attempt(o.step)[0][:2]


def test_hooks_on_every_optimizer():
    seen = []
    (p,) = params(torchcompat, 1)
    handles = [
        optim.optimizer.register_optimizer_step_pre_hook(lambda *a: seen.append("before")),
        optim.optimizer.register_optimizer_step_post_hook(lambda *a: seen.append("after")),
    ]
    optim.SGD([p]).step()
    for handle in handles:
        handle.remove()
    optim.SGD([p]).step()
    assert seen == ["before", "after"]


@both
def test_zero_grad_and_closures(t):
    (p,) = params(t, 1)
    o = t.optim.SGD([p], lr=0.1)
    grad = p.grad
    o.zero_grad(set_to_none=False)
    yield p.grad, p.grad is grad
    o.zero_grad()
    yield p.grad
    o.step()
    yield p, o.state_dict()

    def closure():
        o.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    yield o.step(closure)
    yield p, t.is_grad_enabled()


@both
def test_aliases_see_the_step(t):
    (p,) = params(t, 1)
    detached, row, version = p.detach(), p.data[0], p._version
    t.optim.Adam([p], lr=0.1).step()
    yield detached, row, p._version > version
    shared = [t.nn.Parameter(p.data), t.nn.Parameter(p.data)]
    for one in shared:
        one.grad = t.ones(2, 2)
    t.optim.SGD(shared, lr=0.1).step()
    yield p


def test_arrays_taken_before_a_step_stay():
    (p,) = params(torchcompat, 1)
    before = p.__jax_array__()
    optim.SGD([p], lr=0.1).step()
    assert np.asarray(before).tolist() == VALUES


def test_no_recompilation_when_numbers_change():
    from torchcompat.optim import _update

    ps = params(torchcompat)
    o = optim.AdamW(ps, lr=0.1)
    o.step()
    compiled = _update._compiled._cache_size()
    for lr in (0.2, 0.05, 1, 1e-3):
        o.param_groups[0].update(lr=lr, betas=(0.8, 0.9), eps=lr, weight_decay=lr)
        o.step()
    assert _update._compiled._cache_size() == compiled


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad", "ASGD", "Muon"])
def test_pickle_and_deepcopy(name):
    ps = params(torchcompat)
    o = getattr(optim, name)(ps, lr=0.1)
    o.step()
    for other in (pickle.loads(pickle.dumps(o)), copy.deepcopy(o)):
        assert repr(other) == repr(o)
        copies = other.param_groups[0]["params"]
        assert copies[0] is not ps[0]
        assert set(other.state) <= set(copies)
        for p in copies:
            p.grad = torchcompat.ones(2, 2)
        other.step()
    o.step()
    for a, b in zip(copies, ps):
        assert a.tolist() == b.tolist()


def lion(t):
    """An optimizer as others write them: a loop over parameters, operations on `p.data`."""

    class Lion(t.optim.Optimizer):
        def __init__(self, params, lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1):
            super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

        @t.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    p.data.mul_(1 - group["lr"] * group["weight_decay"])
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        state["exp_avg"] = t.zeros_like(p)
                    state["step"] += 1
                    beta1, beta2 = group["betas"]
                    update = state["exp_avg"] * beta1 + p.grad * (1 - beta1)
                    p.add_(t.sign(update), alpha=-group["lr"])
                    state["exp_avg"].mul_(beta2).add_(p.grad, alpha=1 - beta2)

    return Lion


@both
def test_a_subclass_of_others(t):
    ps = params(t)
    o = lion(t)(ps)
    s = t.optim.lr_scheduler.ExponentialLR(o, 0.9)
    for _ in range(3):
        o.step()
        s.step()
    yield ps, o.state_dict(), repr(o)
    again = lion(t)(ps)
    again.load_state_dict(o.state_dict())
    again.step()
    yield ps


FUNCTIONAL = {
    "sgd": (
        {},
        {"weight_decay": 0.1, "momentum": 0.9, "lr": 0.1, "dampening": 0.0, "nesterov": True},
    ),
    "adam": (
        {"exp_avgs": 0, "exp_avg_sqs": 0, "max_exp_avg_sqs": 0},
        {"amsgrad": True, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1, "eps": 1e-8},
    ),
    "adagrad": (
        {"state_sums": 0},
        {"lr": 0.1, "weight_decay": 0.1, "lr_decay": 0.1, "eps": 1e-8},
    ),
    "rprop": (
        {"prevs": 0, "step_sizes": 0.1},
        {"step_size_min": 1e-6, "step_size_max": 1.0, "etaminus": 0.5, "etaplus": 1.2},
    ),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_form(name):
    lists, numbers = FUNCTIONAL[name]

    @both
    def scenario(t):
        function = getattr(t.optim._functional, name)
        ps = [p.detach() for p in params(t)]
        grads = [t.ones(2, 2), t.ones(2, 2) * 2]
        held = {key: [t.full((2, 2), float(v)) for _ in ps] for key, v in lists.items()}
        if name == "sgd":
            held["momentum_buffer_list"] = [None, None]
        else:
            held["state_steps"] = [t.tensor(0.0) for _ in ps]
        key = "d_p_list" if name == "sgd" else "grads"
        for _ in range(2):
            function(params=ps, maximize=False, **{key: grads}, **held, **numbers)
        yield ps, held
        if name != "sgd":
            bad = {**held, "state_steps": [0, 0]}
            yield attempt(lambda: function(ps, grads, *bad.values(), maximize=False, **numbers))

    scenario()


@both
def test_differentiable(t):
    p = t.tensor(VALUES, requires_grad=True)
    x = p.clone()
    o = t.optim.SGD([x], lr=0.1, momentum=0.9, differentiable=True)
    for _ in range(2):
        x.grad = p * 3
        o.step()
    (x**2).sum().backward()
    yield p.grad, o.state_dict()
    yield attempt(t.optim.Adam(params(t), differentiable=True).step)


# -- averaged models -------------------------------------------------------------------------------


def network(t):
    t.manual_seed(0)
    return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4))


AVERAGES = {
    "equal": lambda swa: {},
    "use_buffers": lambda swa: {"use_buffers": True},
    "ema": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.9)},
    "ema lists": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9), "use_buffers": True},
    "swa": lambda swa: {"avg_fn": swa.get_swa_avg_fn()},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_model(name):
    found = []
    for t in (torchcompat, torch):
        swa, model = t.optim.swa_utils, network(t)
        averaged = swa.AveragedModel(model, **AVERAGES[name](swa))
        for i in range(3):
            with t.no_grad():
                for p in model.parameters():
                    p.add_(i + 1.0)
            model(t.arange(12.0).reshape(4, 3) + i)
            averaged.update_parameters(model)
        x = t.arange(12.0).reshape(4, 3) ** 2
        swa.update_bn([x, [x * 2, 1]], averaged)
        found.append({**averaged.state_dict(), "out": averaged(x).detach()})
    check_same(*found, 1e-5)


@both
def test_averaged_model_errors(t):
    swa = t.optim.swa_utils
    yield attempt(swa.get_ema_avg_fn, 1.5)
    yield attempt(swa.get_ema_multi_avg_fn, -1.0)
    both_given = {"avg_fn": swa.get_swa_avg_fn(), "multi_avg_fn": swa.get_swa_multi_avg_fn()}
    yield attempt(lambda: swa.AveragedModel(t.nn.Linear(1, 1), **both_given))


def test_compiled_first_step_leaves_no_tracers():
    p = nn.Parameter(torchcompat.tensor(VALUES))
    o = optim.Adam([p], lr=0.1)

    @torchcompat.compile
    def step():
        o.zero_grad()
        (p**2).sum().backward()
        o.step()

    for _ in range(3):
        step()
    q = nn.Parameter(torchcompat.tensor(VALUES))
    plain = optim.Adam([q], lr=0.1)
    for _ in range(3):
        plain.zero_grad()
        (q**2).sum().backward()
        plain.step()
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6)
    assert o.state[p]["step"].item() == 3


@both
def test_tensors_by_kind(t):
    a = [t.ones(2), t.ones(3).double(), t.ones(1)]
    b = [t.zeros(2), t.zeros(3), t.zeros(1)]
    for with_indices in (False, True):
        found = t.optim.Optimizer._group_tensors_by_device_and_dtype([a, b, []], with_indices)
        yield sorted((str(key[1]), lists, places) for key, (lists, places) in found.items())
