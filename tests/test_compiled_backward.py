"""`backward()` inside `compile`: what it leaves behind is what the same lines leave eagerly."""

import jax
import numpy as np
import pytest

import torchcompat as torch
from torchcompat import nn
from torchcompat._compile._compiled import Compiled


class Counted:
    """A compiled function that counts its traces."""

    def __init__(self, function):
        self.traces = 0
        self.compiled = torch.compile(self.run)
        self.function = function

    def run(self, *args):
        self.traces += 1
        return self.function(*args)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))


def data(count=3):
    torch.manual_seed(1)
    return [torch.randn(5, 4) for _ in range(count)]


def plain(x):
    if isinstance(x, torch.Tensor):
        assert not isinstance(x._cell.value, jax.core.Tracer)
        return np.asarray(x.detach())
    return [plain(one) for one in x] if isinstance(x, (list, tuple)) else x


def everything(model):
    return [(p, p.grad) for p in model.parameters()] + list(model.buffers())


def accumulates(model, wrap):
    @wrap
    def step(x):
        loss = model(x).square().sum()
        loss.backward()
        return loss

    return [(step(x), everything(model)) for x in data()]


def zeroed_inside(model, wrap):
    @wrap
    def step(x):
        model.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.01 * p.grad
        return loss.detach()

    return [(step(x), everything(model)) for x in data()]


def zeroed_in_place(model, wrap):
    @wrap
    def step(x):
        model.zero_grad(set_to_none=False)
        model(x).square().sum().backward()

    return [(step(x), everything(model)) for x in data()]


def zeroed_outside_every_other(model, wrap):
    @wrap
    def step(x):
        model(x).square().sum().backward()

    found = []
    for i, x in enumerate(data(4)):
        step(x)
        found.append(plain([p.grad for p in model.parameters()]))
        if i % 2:
            model.zero_grad()
    return found, everything(model)


def eager_backward_between(model, wrap):
    @wrap
    def step(x):
        model(x).square().sum().backward()

    for x in data(2):
        step(x)
        model(x).sum().backward()
    model.zero_grad()
    model(x).sum().backward()
    step(x)
    return everything(model)


def micro_batches(model, wrap):
    @wrap
    def step(x):
        model.zero_grad()
        for part in x.split(2):
            (model[0](part).square().sum() / 3).backward()

    return [(step(x), everything(model)) for x in data(2)]


def second_derivative(model, wrap):
    @wrap
    def step(x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        penalty = (g.norm(dim=1) - 1).square().mean()
        penalty.backward()
        return g, x.grad, penalty.detach()

    return [step(x) for x in data(2)], everything(model)


def retained_graph(model, wrap):
    @wrap
    def step(x):
        loss = model(x).square().sum()
        loss.backward(retain_graph=True)
        loss.backward()

    step(data()[0])
    return everything(model)


def gradients_of_arguments(model, wrap):
    @wrap
    def step(x, y):
        model((x * y).relu()).sum().backward()

    x, source = (t.requires_grad_() for t in data(2))
    for _ in range(2):
        step(x, source * 3)
    return x.grad, source.grad, everything(model)


def tensor_hooks(model, wrap):
    handle = model[0].weight.register_hook(lambda g: g * 2)
    after = []

    def tripled(parameter):
        parameter.grad.mul_(3)

    model[3].weight.register_post_accumulate_grad_hook(tripled)

    @wrap
    def step(x):
        h = model(x)
        h.register_hook(lambda g: g.clamp(-1, 1))
        h.square().sum().backward()

    step(data()[0])
    handle.remove()
    step(data()[1])
    return everything(model), after


def module_hooks(model, wrap):
    seen = []
    model[0].register_full_backward_hook(lambda m, gi, go: seen.append(plain(go)))
    model[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,))
    model[3].register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))

    @wrap
    def step(x):
        model(x.requires_grad_()).square().sum().backward()

    for x in data():
        step(x)
    return everything(model), seen


def frozen(model, wrap):
    model[0].requires_grad_(False)

    @wrap
    def step(x):
        model(x).square().sum().backward()

    step(data()[0])
    model[0].requires_grad_(True)
    step(data()[1])
    return everything(model)


def into_inputs(model, wrap):
    @wrap
    def step(x):
        model(x).square().sum().backward(inputs=[model[0].weight])

    step(data()[0])
    return everything(model)


def retained_gradient(model, wrap):
    @wrap
    def step(x):
        h = model[0](x)
        h.retain_grad()
        model[3](h).square().sum().backward()
        return h.grad

    return [step(x) for x in data(2)], everything(model)


def gradient_decides(model, wrap):
    @wrap
    def step(x):
        first = model[0].weight.grad is None
        model(x).sum().backward()
        return first

    return [step(x) for x in data()], everything(model)


SCENARIOS = [
    accumulates,
    zeroed_inside,
    zeroed_in_place,
    zeroed_outside_every_other,
    eager_backward_between,
    micro_batches,
    second_derivative,
    retained_graph,
    gradients_of_arguments,
    tensor_hooks,
    module_hooks,
    frozen,
    into_inputs,
    retained_gradient,
    gradient_decides,
]


def same(got, want):
    if isinstance(want, list):
        assert len(got) == len(want)
        for a, b in zip(got, want):
            same(a, b)
    elif isinstance(want, np.ndarray):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)
    else:
        assert got == want


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_as_eager(scenario):
    want = plain(scenario(net(), lambda f: f))
    got = plain(scenario(net(), torch.compile))
    same(got, want)


def training_step():
    model = net()

    def step(x):
        model.zero_grad()
        model(x).square().sum().backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.01 * p.grad

    return model, step


def test_one_program_serves_every_step():
    """A step that drops the gradients first does not depend on whether there were any."""
    model, step = training_step()
    counted = Counted(step)
    for x in data(4):
        counted.compiled(x)
    assert counted.traces == 2  # the first finds the model, the second knows it
    model.zero_grad()
    counted.compiled(data()[0])
    assert counted.traces == 2


def test_dropped_gradients_are_no_inputs():
    model, step = training_step()
    compiled = Compiled(step)
    for x in data(2):
        compiled(x)
    ((one,),) = {id(e): e for e in compiled._table.values()}.values()
    assert not one.watched
    assert len(one.inputs) == len(list(model.parameters())) + len(list(model.buffers()))


def test_gradients_of_earlier_steps_keep_their_values():
    model, step = training_step()
    compiled = torch.compile(step)
    first, second = data(2)
    compiled(first)
    held = model[0].weight.grad
    before = held.clone()
    compiled(second)
    assert model[0].weight.grad is not held
    assert torch.equal(held, before)


def test_accumulation_writes_into_the_gradient():
    model = net()
    compiled = torch.compile(lambda x: model(x).square().sum().backward())
    compiled(data()[0])
    held = model[0].weight.grad
    before = held.clone()
    compiled(data()[1])
    assert model[0].weight.grad is held
    assert not torch.equal(held, before)


def test_gradients_that_share_a_storage():
    """As a flat buffer of all gradients has it."""
    model = nn.Linear(3, 2)
    flat = torch.zeros(8)
    model.weight.grad, model.bias.grad = flat[:6].view(2, 3), flat[6:]
    compiled = torch.compile(lambda x: model(x).sum().backward())
    for _ in range(2):
        compiled(torch.ones(1, 3))
    assert flat.tolist() == [2.0] * 8
    model.bias.grad = torch.zeros(2)
    compiled(torch.ones(1, 3))
    assert flat.tolist() == [3.0] * 6 + [2.0] * 2
    assert model.bias.grad.tolist() == [1.0, 1.0]


def test_no_tape_is_left():
    model = net()

    def step(x):
        loss = model(x).square().sum()
        loss.backward()
        return loss

    loss = torch.compile(step)(data()[0])
    assert loss.requires_grad
    assert repr(loss.grad_fn).startswith("<CompiledFunctionBackward")
    assert loss.grad_fn.next_functions == ()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()
    assert all(p.is_leaf and p.grad.grad_fn is None for p in model.parameters())


def test_error_leaves_gradients_alone():
    model = net()
    model(data()[0]).sum().backward()
    before = [p.grad for p in model.parameters()]

    def step(x):
        model.zero_grad()
        model(x).backward()

    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
        torch.compile(step)(data()[0])
    assert all(p.grad is g for p, g in zip(model.parameters(), before))


def test_backward_of_a_compiled_model_is_compiled_once(caplog):
    model = net()
    compiled = torch.compile(model)
    for number, x in enumerate(data(4)):
        if number == 2:
            with caplog.at_level("DEBUG", "jax"), jax.log_compiles():
                compiled(x).square().sum().backward()
            assert not [r for r in caplog.records if "Compiling" in r.getMessage()]
        else:
            compiled(x).square().sum().backward()
    twin = net()
    for x in data(4):
        twin(x).square().sum().backward()
    for got, want in zip(model.parameters(), twin.parameters()):
        np.testing.assert_allclose(plain(got.grad), plain(want.grad), rtol=1e-5, atol=1e-6)


def test_results_of_a_compiled_model_go_on_in_the_graph_one_by_one():
    """Some results unused, an integer one, a graph gone through twice, and second derivatives."""

    def parts(w):
        return w * w * w, w.argsort(), w.exp(), w.detach() + 1

    w = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    cube, order, _, cut = torch.compile(parts)(w)
    assert not order.requires_grad and not cut.requires_grad
    for _ in range(2):
        (slope,) = torch.autograd.grad(cube.sum(), w, retain_graph=True)
        np.testing.assert_allclose(plain(slope), 3 * plain(w) ** 2, rtol=1e-6)
    (slope,) = torch.autograd.grad(cube.sum(), w, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), w)
    np.testing.assert_allclose(plain(second), 6 * plain(w), rtol=1e-6)
    with pytest.raises(RuntimeError, match="second time"):
        cube.sum().backward()
        cube.sum().backward()
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    torch.compile(lambda z: (z * z).abs())(z).sum().backward()
    eager = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    (eager * eager).abs().sum().backward()
    np.testing.assert_allclose(plain(z.grad), plain(eager.grad), rtol=1e-6)
