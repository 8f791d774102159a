"""Whole training steps under `compile`: optimizers inside, numbers as inputs, donated buffers."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest

import torchcompat as torch
import torchcompat.nn.functional as F
import torchcompat.optim
from torchcompat import nn
from torchcompat._tensor._cell import slot

WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE"))


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 5)
    )


def batches(count=6):
    torch.manual_seed(1)
    return [(torch.randn(4, 3, 6, 6), torch.randint(0, 5, (4,))) for _ in range(count)]


class Run:
    """Training of one net; counts how often the step is traced or run by Python."""

    def __init__(self, make, compiled, clip=True):
        self.model = net()
        self.optimizer = make(self.model.parameters())
        self.python_runs = 0
        self.clip = clip
        self.step = torch.compile(self._step) if compiled else self._step

    def _step(self, x, y):
        self.python_runs += 1
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss

    def state(self):
        held = [x for s in self.optimizer.state.values() for x in s.values()]
        tensors = [*self.model.state_dict().values(), *(x for x in held if torch.is_tensor(x))]
        return [np.asarray(x.detach()) for x in tensors]


def sgd(params):
    return torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=1e-3)


def adam(params):
    return torch.optim.Adam(params, lr=0.01)


def check_same(a, b):
    for one, other in zip(a.state(), b.state(), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("make", [sgd, adam])
def test_a_schedule_does_not_recompile(make):
    eager, fast = Run(make, False), Run(make, True)
    schedules = [
        torch.optim.lr_scheduler.StepLR(run.optimizer, 1, gamma=0.7) for run in (eager, fast)
    ]
    traces = []
    for x, y in batches():
        losses = [run.step(x, y).item() for run in (eager, fast)]
        np.testing.assert_allclose(*losses, rtol=1e-5)
        for schedule in schedules:
            schedule.step()
        traces.append(fast.python_runs)
    check_same(eager, fast)
    assert traces[-1] == traces[1], "traced anew after the second step"


def test_an_option_that_is_switched_on_recompiles():
    eager, fast = Run(adam, False), Run(adam, True)
    for i, (x, y) in enumerate(batches()):
        for run in (eager, fast):
            if i == 3:
                run.optimizer.param_groups[0]["weight_decay"] = 0.1
                run.optimizer.param_groups[0]["maximize"] = True
            run.step(x, y)
    check_same(eager, fast)


def test_a_loaded_optimizer_state_is_used():
    eager, fast = Run(adam, False), Run(adam, True)
    saved = {}
    for i, (x, y) in enumerate(batches()):
        for run in (eager, fast):
            if i == 2:
                saved[run] = run.optimizer.state_dict()["state"][0]["exp_avg"].clone()
            if i == 4:
                state = run.optimizer.state_dict()
                state["state"][0]["exp_avg"] = saved[run]
                run.optimizer.load_state_dict(state)
            run.step(x, y)
    check_same(eager, fast)


def _place_of(tensor):
    """Where the memory of a tensor lies; of one that lies in another order without a look at it."""
    held = slot.__get__(tensor._cell)
    return getattr(held, "array", held).unsafe_buffer_pointer()


def test_replaced_state_is_donated_and_what_others_hold_is_kept():
    fast = Run(sgd, True)
    data = batches()
    for x, y in data[:3]:
        fast.step(x, y)
    weight = fast.model[0].weight
    before = weight._cell.value
    kept = weight.detach().numpy()  # this holds on to the memory: nothing may be written into it
    values = kept.copy()
    fast.step(*data[3])
    np.testing.assert_array_equal(kept, values)
    assert not before.is_deleted()
    del before, kept

    def places():
        pairs = [(w, fast.optimizer.state[w]["momentum_buffer"]) for w in fast.model.parameters()]
        arrays = [_place_of(x) for pair in pairs for x in pair]
        return set(arrays)

    fast.step(*data[3])
    found = places()
    fast.step(*data[4])
    assert places() == found, "not written in place"
    copy = weight.detach().clone()
    expected = np.asarray(copy).copy()
    fast.step(*data[5])
    np.testing.assert_array_equal(copy, expected)


def test_gradient_accumulation():
    eager, fast = Run(sgd, False), Run(sgd, True)

    def accumulate(run):
        def step(pairs):
            run.optimizer.zero_grad()
            for x, y in pairs:
                (F.cross_entropy(run.model(x), y) / len(pairs)).backward()
            run.optimizer.step()

        return step

    slow, quick = accumulate(eager), torch.compile(accumulate(fast))
    data = batches(6)
    for i in (0, 2, 4):
        slow(data[i : i + 2])
        quick(data[i : i + 2])
    check_same(eager, fast)


class Counting(torch.optim.Optimizer):
    """Keeps its step number as a Python number, as older third-party optimizers do."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                state["step"] = state.get("step", 0) + 1
                p.add_(p.grad, alpha=-group["lr"] / state["step"])


def test_python_state_is_refused_and_left_as_it_was():
    run = Run(Counting, True)
    with pytest.raises(NotImplementedError, match=r"Counting.state\[...\]\['step'\] went from"):
        run.step(*batches()[0])
    assert all(not held for held in run.optimizer.state.values())
    assert not any(
        isinstance(x, jax.core.Tracer) for p in run.model.parameters() for x in [p._read()]
    )


class Plain(torch.optim.Optimizer):
    """A third-party optimizer: torch operations in a loop, its state replaced and not written."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["mean"] = torch.zeros_like(p)
                state["mean"] = state["mean"] * 0.9 + p.grad
                p.data.add_(state["mean"], alpha=-group["lr"])


def test_a_third_party_optimizer():
    eager, fast = Run(Plain, False), Run(Plain, True)
    for i, (x, y) in enumerate(batches()):
        for run in (eager, fast):
            if i == 3:
                run.optimizer.param_groups[0]["lr"] = 0.02
            run.step(x, y)
    check_same(eager, fast)


def test_a_scheduler_inside_is_refused():
    run = Run(sgd, True)
    schedule = torch.optim.lr_scheduler.StepLR(run.optimizer, 1)

    @torch.compile
    def step(x, y):
        loss = run._step(x, y)
        schedule.step()
        return loss

    with pytest.raises(NotImplementedError, match=r"SGD.param_groups\[...\]\['lr'\] went from 0.1"):
        step(*batches()[0])
    assert run.optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.skipif(not WHOLE, reason="compiles four large programs")
@pytest.mark.parametrize("name", ["transformer", "resnet18"])
def test_peak_memory_is_that_of_a_step_written_by_hand(name, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    import memory

    ours, by_hand = memory.peaks(name)
    assert ours <= 1.1 * by_hand
