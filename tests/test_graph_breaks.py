"""`compile` of functions whose course depends on values: run as they are, their modules compiled."""

import gc
import warnings

import jax
import numpy as np
import pytest
import torch

import torchcompat
from tests._both import both

pytestmark = pytest.mark.filterwarnings("ignore:compile. .* runs as it is")
RUNS = []


def fast(lib, function):
    """The function compiled by torchcompat; under torch itself, which is the reference."""
    return function if lib is torch else torchcompat.compile(function)


def numbers(lib, *shape):
    rng = np.random.default_rng(sum(shape))
    return lib.tensor(rng.normal(size=shape).astype(np.float32))


def filled(lib, module):
    """The module with weights of its own, the same in both libraries."""
    with lib.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(numbers(lib, *parameter.shape) / (i + 2))
    return module


def block(lib):
    """A module that notes in RUNS each time its forward runs."""

    class Block(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = lib.nn.Linear(4, 4)
            self.norm = lib.nn.BatchNorm1d(4)

        def forward(self, x):
            RUNS.append(type(self))
            return self.norm(self.linear(x)).tanh()

    return filled(lib, Block())


ASKS = {
    "branch": lambda lib, x: x * 2 if x.sum() > 0 else x - 1,
    "item": lambda lib, x: x * x.sum().item(),
    "tolist": lambda lib, x: x.tolist(),
    "numpy": lambda lib, x: float(x.numpy().sum()),
    "nonzero": lambda lib, x: x.nonzero(),
    "mask": lambda lib, x: x[x > 0],
    "unique": lambda lib, x: lib.unique(x.round()),
    "index": lambda lib, x: lib.arange(5)[x[0, 0].abs().long() :],
    "arange": lambda lib, x: lib.arange(x.abs().sum().long()),
    "repeats": lambda lib, x: x.repeat_interleave(lib.tensor([1, 0, 2]), 0),
    "equal": lambda lib, x: lib.equal(x, x * 1),
    "in": lambda lib, x: 3.0 in x,
    "format": lambda lib, x: f"{x.sum():.3f}",
    "histogram": lambda lib, x: lib.histogram(x.flatten(), 3).hist,
    "one_hot": lambda lib, x: lib.nn.functional.one_hot(x.abs().long()),
}


@pytest.mark.parametrize("name", ASKS)
def test_whatever_asks_for_a_value(name):
    @both
    def scenario(lib):
        call = fast(lib, lambda x: ASKS[name](lib, x * 1))
        for sign in (1, -1, 1):
            yield call(sign * numbers(lib, 3, 4))

    scenario()


def test_said_once_and_refused_with_fullgraph():
    def branch(x):
        return x * 2 if x.sum() > 0 else x

    call = torchcompat.compile(branch)
    with pytest.warns(
        UserWarning, match=r"compile: .*branch runs as it is.*test_graph_breaks.py:\d+"
    ):
        call(torchcompat.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(-torchcompat.ones(2)).tolist() == [-1, -1]
    with pytest.raises(jax.errors.TracerBoolConversionError):
        torchcompat.compile(branch, fullgraph=True)(torchcompat.ones(2))
    with pytest.raises(NotImplementedError, match="nonzero.*depends on values"):
        torchcompat.compile(torchcompat.nonzero, fullgraph=True)(torchcompat.ones(2))


def test_modules_inside_are_compiled_once():
    first, second = block(torchcompat), block(torchcompat)

    def step(x):
        x = first(x)
        return second(x) if x.sum() > 0 else second(-x)

    call = fast(torchcompat, step)
    call(numbers(torchcompat, 3, 4))
    RUNS.clear()
    for sign in (1, -1, 2):
        call(sign * numbers(torchcompat, 3, 4))
    assert not RUNS


@both
def test_training(lib):
    first, second = block(lib), block(lib)
    parameters = [*first.parameters(), *second.parameters()]
    optimizer = lib.optim.SGD(parameters, lr=0.1, momentum=0.9)

    def step(x):
        optimizer.zero_grad()
        loss = (second(first(x)) - x).pow(2).mean()
        if not lib.isfinite(loss):
            raise ValueError
        loss.backward()
        optimizer.step()
        return loss.item()

    call = fast(lib, step)
    for sign in (1, 2, 3):
        yield call(sign * numbers(lib, 3, 4))
    yield [*map(lib.Tensor.detach, parameters)], dict(first.state_dict())


@both
def test_what_shares_with_its_caller_runs_as_it_is(lib):
    """Views of arguments and of parameters, in-place writes, lists that grow, objects."""

    class Part(lib.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function
            self.weight = lib.nn.Parameter(numbers(lib, 4))

        def forward(self, *args):
            return self.function(self, *args)

    class Box:
        def __init__(self, x):
            self.x = x

    identity, same = lib.nn.Identity(), Part(lambda self, x: (y := x + 1, y))
    view, weight = Part(lambda self, x: x[0]), Part(lambda self, x: self.weight[1:])
    writes, grows = (
        Part(lambda self, x: x.mul_(2).sum()),
        Part(lambda self, x, xs: xs.append(x * 2)),
    )
    boxed, opened = Part(lambda self, x: Box(x * 3)), Part(lambda self, box: box.x + 1)

    def run(x):
        x = x * 1
        identity(x).add_(1)
        view(x).zero_()
        twice = same(x)
        twice[0].add_(5)
        with lib.no_grad():
            weight(x).mul_(2)
        total, seen = writes(x), []
        grows(x, seen)
        boxes = [boxed(x), boxed(x + 1)]
        out = opened(boxes[0]) + opened(boxes[1])
        return x, out, total.item(), seen, twice, weight.weight

    call = fast(lib, run)
    for sign in (1, -1, 2):
        yield call(sign * numbers(lib, 3, 4))


@both
def test_gradients_through_in_place_activations(lib):
    nn = lib.nn
    model = filled(
        lib, nn.Sequential(nn.Linear(4, 4), nn.ReLU(True), nn.Flatten(), nn.Linear(4, 2))
    )

    def run(x):
        loss = model(x).sum()
        return loss if loss > 0 else -loss

    call = fast(lib, run)
    for sign in (1, -1, 2):
        x = (sign * numbers(lib, 3, 4)).requires_grad_()
        call(x).backward()
        yield x.grad, [p.grad for p in model.parameters()]


@both
def test_hooks_dropout_and_switches(lib):
    inner = block(lib)
    seen = []
    inner.register_forward_hook(
        lambda module, args, output: seen.append(output.shape) or output * 2
    )

    def run(x):
        return inner(x) + 1 if x.sum() > 0 else inner(x)

    call = fast(lib, run)
    for mode in (True, False, True):
        inner.train(mode)
        yield call(numbers(lib, 3, 4)), dict(inner.state_dict())
    yield len(seen) > 0


def test_many_shapes_do_not_fill_the_memory():
    inner = block(torchcompat)

    def run(x):
        return inner(x) if x.sum() > 0 else x

    call = fast(torchcompat, run)
    for count in range(2, 14):
        x = abs(numbers(torchcompat, count, 4))
        torchcompat.testing.assert_close(call(x), inner(x))


def test_a_trace_that_failed_leaves_nothing_behind():
    class Keeps(torchcompat.nn.Module):
        last = None

        def forward(self, x):
            if self.last is None:
                self.last = x * 2
            return self.last if self.last.sum() > 0 else x

    model = Keeps()
    call = fast(torchcompat, model)
    assert call(torchcompat.ones(2)).tolist() == [2, 2]
    gc.collect()
    assert model.last.tolist() == [2, 2]


@both
def test_arrays_in_arrays_out(lib):
    inner = block(lib).eval()

    class Whole(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x) if x.sum() > 0 else x

    call = fast(lib, Whole())
    if lib is torchcompat:
        array = jax.numpy.asarray(np.asarray(numbers(torch, 3, 4)))
        found = call(array)
        assert isinstance(found, jax.Array)
        yield found
    else:
        yield jax.numpy.asarray(call(numbers(lib, 3, 4)).detach().numpy())
