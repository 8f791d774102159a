"""`GradScaler` against torch's, eager and inside a compiled step; gradients overflow on purpose."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

import torchcompat
from tests._both import attempt, both

FACTORS = [1.0, float("inf"), 2.0, 3.0, float("nan"), 1.0, 0.5, 2.0]


def story(t, name, compiled=False, clip=False):
    """The parameter, the scale and the optimizer's state after each of some steps."""
    p = t.nn.Parameter(t.tensor([[1.0, -2.0], [0.5, 3.0]]))
    o = getattr(t.optim, name)([p], lr=0.1)
    scaler = t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)

    def step(factor):
        o.zero_grad()
        scaler.scale((p**2 * factor).sum()).backward()
        if clip:
            scaler.unscale_(o)
            t.nn.utils.clip_grad_norm_([p], 1.0)
        scaler.step(o)
        scaler.update()

    if compiled:
        step = torchcompat.compile(step)
    for factor in FACTORS:
        step(t.tensor(factor))
        held = {key: x.tolist() for key, x in o.state[p].items()}
        yield p.detach().tolist(), scaler.get_scale(), scaler._get_growth_tracker(), held


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("clip", [False, True], ids=["plain", "clipped"])
def test_skipped_steps(name, compiled, clip):
    ours = list(story(torchcompat, name, compiled, clip))
    theirs = list(story(torch, name, clip=clip))
    for step, (a, b) in enumerate(zip(ours, theirs)):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-5, err_msg=f"step {step}")
        assert a[1:3] == b[1:3], step
        assert list(a[3]) == list(b[3])
        for key in a[3]:
            np.testing.assert_allclose(a[3][key], b[3][key], rtol=1e-5)


@both
def test_order_of_calls(t):
    p = t.nn.Parameter(t.ones(2))
    o = t.optim.SGD([p], lr=0.1)
    s = t.amp.GradScaler("cpu")
    yield attempt(s.step, o)
    yield attempt(s.update)
    yield s.scale(t.tensor(2.0)), s.state_dict()
    yield attempt(s.update)
    p.grad = t.ones(2) * 65536
    yield attempt(s.unscale_, o)
    yield p.grad
    yield attempt(s.unscale_, o)
    yield attempt(s.step, o)
    yield attempt(s.step, o)
    yield attempt(s.unscale_, o)
    yield attempt(pickle.dumps, s)[0][1:]
    s.update()
    for scale in (5.0, t.tensor(3.0), t.tensor([3.0, 4.0])):
        yield attempt(s.update, scale)
    yield s.get_scale(), p
    again = pickle.loads(pickle.dumps(s))
    yield again.state_dict(), again.get_scale()
    yield attempt(s.load_state_dict, {})


def test_without_a_gpu_it_is_disabled(monkeypatch):
    monkeypatch.setattr(torchcompat.amp.grad_scaler, "_has_gpu", lambda: False)
    with pytest.warns(UserWarning, match="CUDA is not available.  Disabling."):
        assert not torchcompat.amp.GradScaler("cuda").is_enabled()
