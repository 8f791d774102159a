"""Schedules under torch and torchcompat: rates, momenta, state, warnings and error texts, exactly."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

import torchcompat
from tests._both import attempt, both
from tests._training import STEPS, Run, check_same


class Slope:
    """A callable object: its attributes are part of a schedule's state."""

    def __init__(self, rate=0.5):
        self.rate = rate

    def __call__(self, x):
        return 1 / (1 + self.rate * x)


# name -> (library, optimizer) -> scheduler
SCHEDULES = {
    "LambdaLR": lambda L, o: L.LambdaLR(o, lambda e: 0.9**e),
    "LambdaLR of an object": lambda L, o: L.LambdaLR(o, Slope()),
    "MultiplicativeLR": lambda L, o: L.MultiplicativeLR(o, lambda e: 0.95),
    "StepLR": lambda L, o: L.StepLR(o, 2),
    "MultiStepLR": lambda L, o: L.MultiStepLR(o, [2, 5, 5], 0.5),
    "ConstantLR": lambda L, o: L.ConstantLR(o, 0.2, 4),
    "LinearLR": lambda L, o: L.LinearLR(o, 0.1, 0.9, 4),
    "ExponentialLR": lambda L, o: L.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda L, o: L.PolynomialLR(o, 6, 1.7),
    "CosineAnnealingLR": lambda L, o: L.CosineAnnealingLR(o, 3, 0.01),
    "CosineAnnealingWarmRestarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "ReduceLROnPlateau": lambda L, o: L.ReduceLROnPlateau(o, patience=1, cooldown=1, factor=0.5),
    "ReduceLROnPlateau max": lambda L, o: L.ReduceLROnPlateau(
        o, "max", patience=0, threshold_mode="abs", min_lr=0.02
    ),
    "CyclicLR": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 3, 2),
    "CyclicLR triangular2": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 2, mode="triangular2"),
    "CyclicLR exp_range": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "CyclicLR of an object": lambda L, o: L.CyclicLR(
        o, 0.01, 0.1, 3, scale_fn=Slope(), scale_mode="iterations", cycle_momentum=False
    ),
    "OneCycleLR": lambda L, o: L.OneCycleLR(o, 0.1, 25),
    "OneCycleLR three phases": lambda L, o: L.OneCycleLR(
        o, 0.1, epochs=5, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "SequentialLR": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o, 0.1, 2), L.StepLR(o, 3), L.ExponentialLR(o, 0.9)], [2, 6]
    ),
    "ChainedScheduler": lambda L, o: L.ChainedScheduler(
        [L.ConstantLR(o, 0.1, 4), L.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda L, o: _swa(L)(o, 0.05, 3),
    "SWALR linear": lambda L, o: _swa(L)(o, [0.05], 0, "linear"),
}
OPTIMIZERS = {
    "SGD": lambda t, p: t.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda t, p: t.optim.Adam(p, lr=0.1),
    "tensor": lambda t, p: t.optim.SGD(p, lr=t.tensor(0.1), momentum=0.9),
}


def _swa(lr_scheduler):
    library = torch if lr_scheduler is torch.optim.lr_scheduler else torchcompat
    return library.optim.swa_utils.SWALR


def made(library, name, optimizer="SGD"):
    p = library.nn.Parameter(library.ones(2))
    p.grad = library.ones(2)
    o = OPTIMIZERS[optimizer](library, [p])
    return o, SCHEDULES[name](library.optim.lr_scheduler, o)


def facts(o, s):
    group = o.param_groups[0]
    momentum = group["momentum"] if "momentum" in group else group["betas"]
    # A custom function in `CyclicLR` is held as it is; everything else is plain.
    held = {k: v for k, v in s.state_dict().items() if k != "_last_lr"}
    return (
        s.get_last_lr(),
        group["lr"],
        momentum,
        s.last_epoch if hasattr(s, "last_epoch") else 0,
        held,
    )


METRICS = [1.0, 0.5, 0.6, 0.7, 0.8, 0.2, 0.3, 0.1, 0.4, 0.4, 0.4, 0.4]


def stepped(s, name, i, *args):
    if name.startswith("ReduceLROnPlateau"):
        return s.step(METRICS[i], *args)
    return s.step(*args)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates(name, optimizer):
    @both
    def scenario(t):
        o, s = made(t, name, optimizer)
        yield facts(o, s)
        yield attempt(s.get_lr)
        for i in range(len(METRICS)):
            o.step()
            yield attempt(stepped, s, name, i)
            yield facts(o, s)

    scenario()


@pytest.mark.parametrize("name", SCHEDULES)
def test_closed_form_and_warnings(name):
    @both
    def scenario(t):
        o, s = made(t, name)
        yield attempt(stepped, s, name, 0)
        o, s = made(t, name)
        o.step()
        for epoch in (4, 2, 7):
            yield attempt(stepped, s, name, 0, epoch)
            yield facts(o, s)
        o, s = made(t, name)
        o.step = lambda: None
        yield attempt(stepped, s, name, 0)

    scenario()


@pytest.mark.parametrize(
    "name", [n for n in SCHEDULES if n not in ("LambdaLR", "MultiplicativeLR")]
)
def test_state_goes_both_ways(name):
    runs = []
    for library in (torch, torchcompat):
        o, s = made(library, name)
        for i in range(3):
            o.step()
            stepped(s, name, i)
        group = {k: v for k, v in o.param_groups[0].items() if k != "params"}
        runs.append((o, s, copy.deepcopy(s.state_dict()), group))
    for o, s, *_ in runs:
        o.step()
        stepped(s, name, 3)
    for library, (_, wanted, _, _), (_, _, held, group) in zip(
        (torch, torchcompat), runs, runs[::-1]
    ):
        o, s = made(library, name)
        s.load_state_dict(held)
        o.param_groups[0].update(group)
        o.step()
        stepped(s, name, 3)
        assert s.get_last_lr() == pytest.approx(wanted.get_last_lr(), rel=1e-12)


@pytest.mark.parametrize("name", ["StepLR", "CyclicLR", "OneCycleLR", "SequentialLR", "SWALR"])
def test_pickle_and_copy(name):
    o, s = made(torchcompat, name)
    o.step()
    s.step()
    for other in (pickle.loads(pickle.dumps(s)), copy.deepcopy(s)):
        other.optimizer.step()
        other.step()
        assert other.last_epoch == s.last_epoch + 1


def test_old_one_cycle_checkpoints_hold_their_function():
    def rates(t):
        optimizer, schedule = made(t, "OneCycleLR")
        del schedule._anneal_func_type
        old = {
            **schedule.state_dict(),
            "anneal_func": t.optim.lr_scheduler.OneCycleLR._annealing_cos,
        }
        schedule.load_state_dict(old)
        optimizer.step()
        schedule.step()
        return schedule.get_last_lr()

    assert rates(torchcompat) == pytest.approx(rates(torch), rel=1e-12)


def _errors(t):
    L, swa = t.optim.lr_scheduler, t.optim.swa_utils
    p = t.nn.Parameter(t.ones(2))
    one, other = (t.optim.SGD([p], lr=0.1, momentum=0.9) for _ in range(2))
    two = t.optim.SGD([{"params": [t.nn.Parameter(t.ones(1))]} for _ in range(2)], lr=0.1)
    plain = t.optim.Adagrad([p])
    yield lambda: L.StepLR(5, 2)
    yield lambda: L.StepLR(two, 2, 0.1, 5)
    yield lambda: L.LambdaLR(two, [lambda e: 1])
    yield lambda: L.MultiplicativeLR(two, [lambda e: 1])
    yield lambda: L.ConstantLR(one, factor=2.0)
    yield lambda: L.LinearLR(one, start_factor=0)
    yield lambda: L.LinearLR(one, start_factor=2.0)
    yield lambda: L.LinearLR(one, end_factor=2.0)
    yield lambda: L.SequentialLR(one, [], [])
    yield lambda: L.SequentialLR(one, [L.StepLR(one, 2)], [2])
    yield lambda: L.SequentialLR(one, [L.StepLR(other, 2), L.StepLR(one, 2)], [2])
    yield lambda: L.SequentialLR(one, [L.ReduceLROnPlateau(one), L.StepLR(one, 2)], [2])
    yield lambda: L.SequentialLR(one, [5, L.StepLR(one, 2)], [2])
    yield lambda: L.ChainedScheduler([])
    yield lambda: L.ChainedScheduler([L.StepLR(one, 2), L.StepLR(other, 2)])
    yield lambda: L.ChainedScheduler([L.StepLR(one, 2)], other)
    yield lambda: L.ChainedScheduler([5])
    yield lambda: L.ChainedScheduler([L.ReduceLROnPlateau(one), L.StepLR(one, 2)])
    yield lambda: L.ReduceLROnPlateau(one, factor=1.0)
    yield lambda: L.ReduceLROnPlateau(5)
    yield lambda: L.ReduceLROnPlateau(one, min_lr=[1, 2])
    yield lambda: L.ReduceLROnPlateau(one, mode="x")
    yield lambda: L.ReduceLROnPlateau(one, threshold_mode="x")
    yield lambda: L.CyclicLR(one, [1, 2], 3)
    yield lambda: L.CyclicLR(one, 1, [3, 4])
    yield lambda: L.CyclicLR(one, 0.1, 0.2, mode="x")
    yield lambda: L.CyclicLR(plain, 0.1, 0.2)
    yield lambda: L.CyclicLR(one, 0.1, 0.2, base_momentum=[1, 2])
    yield lambda: L.CosineAnnealingWarmRestarts(one, 0)
    yield lambda: L.CosineAnnealingWarmRestarts(one, 1.5)
    yield lambda: L.CosineAnnealingWarmRestarts(one, 2, 0)
    yield lambda: L.CosineAnnealingWarmRestarts(one, 2, 1, "x")
    yield lambda: L.CosineAnnealingWarmRestarts(one, 2).step(-1)
    yield lambda: L.OneCycleLR(one, 0.1)
    yield lambda: L.OneCycleLR(one, 0.1, 0)
    yield lambda: L.OneCycleLR(one, 0.1, 1.5)
    yield lambda: L.OneCycleLR(one, 0.1, epochs=0, steps_per_epoch=1)
    yield lambda: L.OneCycleLR(one, 0.1, epochs=1, steps_per_epoch=0)
    yield lambda: L.OneCycleLR(one, 0.1, 10, pct_start=2.0)
    yield lambda: L.OneCycleLR(one, 0.1, 10, anneal_strategy="x")
    yield lambda: L.OneCycleLR(plain, 0.1, 10)
    yield lambda: [L.OneCycleLR(one, 0.1, 1).step() for _ in range(3)]
    yield lambda: swa.SWALR(one, 0.1, anneal_strategy="x")
    yield lambda: swa.SWALR(one, 0.1, anneal_epochs=-1)
    yield lambda: swa.SWALR(one, [0.1, 0.2])
    yield lambda: L.LRScheduler(one)


@both
def test_errors(t):
    for error in _errors(t):
        result = attempt(error)
        yield result if "raised" in str(result[0]) else "no error"


@both
def test_groups(t):
    groups = [{"params": [t.nn.Parameter(t.ones(1))], "lr": lr} for lr in (0.1, 0.2)]
    o = t.optim.SGD(groups, momentum=0.9)
    s = t.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.5, min_lr=[0.05, 0.2])
    for metric in METRICS:
        s.step(t.tensor(metric))
        yield s.get_last_lr(), s.best, s.num_bad_epochs, s.cooldown_counter
    o.add_param_group({"params": [t.nn.Parameter(t.ones(1))]})
    yield attempt(lambda: [s.step(9.0) for _ in range(3)])


@both
def test_a_schedule_of_the_users_own(t):
    class Halving(t.optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            return [group["lr"] * 0.5 for group in self.optimizer.param_groups]

    o = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=0.1)
    s = Halving(o)
    for _ in range(3):
        o.step()
        s.step()
        yield s.get_last_lr(), s.state_dict()


TRAINED = ["OneCycleLR", "ReduceLROnPlateau", "SequentialLR", "CosineAnnealingWarmRestarts"]


# One schedule shows that rates are inputs of a compiled step.
@pytest.mark.parametrize(
    ("name", "compiled"), [*((name, False) for name in TRAINED), ("OneCycleLR", True)]
)
def test_training(name, compiled):
    def schedule(library, optimizer):
        return SCHEDULES[name](library.optim.lr_scheduler, optimizer)

    theirs = Run(torch, "SGD", scheduler=schedule).train(0, STEPS)
    ours = Run(torchcompat, "SGD", compiled, schedule).train(0, STEPS)
    check_same(ours.losses, theirs.losses)
    check_same(ours.state(), theirs.state())
    assert not compiled or ours.traces <= 5
