"""Kernels and what is as large as they are, handed from one compiled step to the next in XLA's order."""

import copy
import io

import numpy as np
import pytest
import torch as native

import converters
import torchcompat as torch
from torchcompat import nn
from torchcompat._compile import _channels_last, _executable
from torchcompat._tensor import _cell
from torchcompat.nn import _bridge
from torchcompat.nn import functional as F


def net(lib):
    """Kernels of one, two and three dimensions, grouped and transposed ones; some shapes are shared."""
    n = lib.nn
    return n.Sequential(
        n.Conv2d(3, 6, 3, padding=1, bias=False),
        n.BatchNorm2d(6),
        n.ReLU(),
        n.Conv2d(6, 6, 3, padding=1, stride=2, bias=False),
        n.Conv2d(6, 6, 3, padding=1, groups=3),
        n.ConvTranspose2d(6, 6, 3, stride=2),
        n.Conv2d(6, 4, (1, 3)),
        n.Flatten(2),
        n.Conv1d(4, 5, 2),
        n.Unflatten(2, (4, 4, 5)),
        n.Conv3d(5, 3, 2),
        n.Flatten(),
        n.LazyLinear(4),
    )


OPTIMIZERS = {
    "sgd": lambda lib, params: lib.optim.SGD(params, 0.02, momentum=0.9, weight_decay=1e-3),
    "adamw": lambda lib, params: lib.optim.AdamW(params, 0.01),
    "adafactor": lambda lib, params: lib.optim.Adafactor(params, 0.01),
}


class Training:
    """The same training under either library; ours compiled."""

    def __init__(self, lib, make, start=None, accumulate=False):
        self.lib = lib
        self.model = net(lib)
        self.model(lib.zeros(1, 3, 8, 10))
        if start is not None:
            self.model.load_state_dict(converters.from_torch(start.model.state_dict()))
        self.optimizer = make(lib, self.model.parameters())
        self.accumulate = accumulate
        self.step = self._step if lib is native else torch.compile(self._step)

    def _step(self, x, y):
        if not self.accumulate:
            self.optimizer.zero_grad()
        loss = self.lib.nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss


def pair(name="sgd", **how):
    native.manual_seed(0)
    theirs = Training(native, OPTIMIZERS[name], **how)
    return theirs, Training(torch, OPTIMIZERS[name], start=theirs, **how)


def run(theirs, ours, steps=2, batch=4):
    for _ in range(steps):
        x, y = native.randn(batch, 3, 8, 10), native.randint(0, 4, (batch,))
        expected = theirs.step(x, y)
        found = ours.step(converters.from_torch(x), converters.from_torch(y))
        np.testing.assert_allclose(found.item(), expected.item(), rtol=2e-4)


def check(theirs, ours):
    for name, expected in theirs.model.state_dict().items():
        close(ours.model.state_dict()[name], expected)
    for expected, found in zip(theirs.model.parameters(), ours.model.parameters(), strict=True):
        close(found.grad, expected.grad)
        state = theirs.optimizer.state[expected]
        for name, value in state.items():
            close(ours.optimizer.state[found][name], value)


def close(found, expected):
    expected = expected.detach().numpy() if isinstance(expected, native.Tensor) else expected
    scale = np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(found.detach()), expected, 2e-3, 2e-4 * scale + 1e-6)


def turned(tensor):
    return type(tensor._cell) is _cell.TurnedCell


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_agrees_with_torch(name):
    theirs, ours = pair(name)
    run(theirs, ours, 4)
    weight = ours.model[3].weight
    assert turned(weight) and turned(weight.grad)
    check(theirs, ours)
    assert not turned(weight)
    run(theirs, ours)
    check(theirs, ours)


def test_gradients_that_accumulate_stay_turned():
    theirs, ours = pair(accumulate=True)
    run(theirs, ours, 4)
    assert turned(ours.model[3].weight.grad)
    check(theirs, ours)


def test_other_batches_and_evaluation_in_between():
    theirs, ours = pair()
    run(theirs, ours)
    run(theirs, ours, batch=3)
    assert turned(ours.model[0].weight)
    x = native.randn(2, 3, 8, 10)
    compiled = torch.compile(ours.model)
    for _ in range(2):
        for one in (theirs.model, ours.model):
            one.eval()
        expected = theirs.model(x)
        for model in (ours.model, compiled):
            close(model(converters.from_torch(x)), expected)
        for one in (theirs.model, ours.model):
            one.train()
        run(theirs, ours)
    check(theirs, ours)


def test_state_that_is_looked_at_after_each_step_is_no_longer_turned():
    theirs, ours = pair()
    weight = ours.model[3].weight
    for _ in range(_executable._MOST_SEEN + 3):
        run(theirs, ours, 1)
        [p.numpy() for p in ours.model.state_dict().values()]
        [p.grad.numpy() for p in ours.model.parameters()]
    run(theirs, ours, 1)
    assert not turned(weight) and not turned(weight.grad)
    check(theirs, ours)


def test_evaluation_leaves_kernels_in_their_own_order():
    _, ours = pair()
    fast = torch.compile(ours.model.eval())
    with torch.no_grad():
        fast(torch.randn(2, 3, 8, 10))
        fast(torch.randn(2, 3, 8, 10))
    assert not turned(ours.model[3].weight)
    ours.model.train()
    with torch.no_grad():
        fast(torch.randn(2, 3, 8, 10))
    assert not turned(ours.model[3].weight)


def test_state_that_lives_in_flax_is_written_there():
    theirs, ours = pair()
    run(theirs, ours)
    variables = {name: _bridge.variable_of(p) for name, p in ours.model.named_parameters()}
    run(theirs, ours)
    for name, expected in theirs.model.named_parameters():
        close(torch.asarray(variables[name].get_value()), expected)
    check(theirs, ours)


def _writes(one):
    weight = one.model[0].weight
    with one.lib.no_grad():
        weight[1:3] *= 2
        one.model[3].weight.view(-1)[5:9] = 0.25
        one.optimizer.state[weight]["momentum_buffer"].mul_(0.5)
    one.model[12].weight.data = one.model[12].weight.data * 0.9


def test_writes_between_steps_count():
    theirs, ours = pair()
    for _ in range(2):
        run(theirs, ours)
        for one in (theirs, ours):
            _writes(one)
    run(theirs, ours)
    check(theirs, ours)


def test_state_that_is_loaded_between_steps_counts():
    theirs, ours = pair()
    run(theirs, ours)
    saved = [copy.deepcopy(one.model.state_dict()) for one in (theirs, ours)]
    run(theirs, ours)
    for one, state in zip((theirs, ours), saved):
        one.model.load_state_dict(state)
    run(theirs, ours)
    check(theirs, ours)


def test_what_is_taken_of_turned_state_is_kept_as_it_was():
    theirs, ours = pair()
    run(theirs, ours)
    weight = ours.model[3].weight
    view = weight.detach().flatten()
    copied = copy.deepcopy(weight)
    array = weight.detach().numpy()
    before = array.copy()
    run(theirs, ours)
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(copied.detach().numpy(), before)
    np.testing.assert_array_equal(view.numpy(), weight.detach().numpy().reshape(-1))
    check(theirs, ours)


@pytest.mark.parametrize("take", ["shape", "pickle", "storage"])
def test_turned_state_is_read_as_any_other(take):
    theirs, ours = pair()
    run(theirs, ours)
    weight, expected = ours.model[3].weight, theirs.model[3].weight
    assert turned(weight)
    if take == "shape":
        assert (weight.shape, weight.stride()) == (expected.shape, expected.stride())
    elif take == "pickle":
        file = io.BytesIO()
        torch.save(weight, file)
        close(native.load(io.BytesIO(file.getvalue()), weights_only=False), expected)
    else:
        found = np.array(weight.untyped_storage().tolist(), np.uint8).view(np.float32)
        close(torch.tensor(found), expected.detach().flatten())
    run(theirs, ours)
    check(theirs, ours)


class Shrinking(nn.Module):
    """Replaces its kernel at each call."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        loss = self.conv(x).square().sum()
        self.conv.weight.data.mul_(0.5)
        return loss


def test_under_another_transformation_a_program_is_as_written():
    eager, x = Shrinking(), torch.randn(2, 3, 5, 5)
    fast = torch.compile(copy.deepcopy(eager))
    kernel = fast.conv.weight
    state = {name: p.detach().clone() for name, p in eager.named_parameters()}
    with torch.no_grad():
        for _ in range(2):
            fast(x)
    assert turned(kernel)

    def gradients(model, prefix):
        def loss(held):
            return torch.func.functional_call(model, {prefix + k: v for k, v in held.items()}, (x,))

        return torch.func.grad(loss)(state)

    expected, found = gradients(eager, ""), gradients(fast, "_orig_mod.")
    for name in state:
        close(found[name], expected[name].numpy())
    close(kernel, eager.conv.weight.detach().numpy() / 4)


def test_arguments_under_another_transformation_leave_state_as_it_is():
    eager, x = Shrinking(), torch.randn(2, 3, 5, 5)
    fast = torch.compile(copy.deepcopy(eager))
    with torch.no_grad():
        for _ in range(2):
            fast(x)
            eager(x)
    assert turned(fast.conv.weight)
    several = torch.stack([x, 2 * x])
    with torch.no_grad():
        close(torch.vmap(fast)(several), torch.vmap(eager)(several).numpy())


def test_orders_that_kernels_are_wanted_in():
    import jax
    from jax import numpy as jnp

    def step(w, v, linear, x):
        y = F.conv2d(F.conv2d(x, w.astype(jnp.float32)), jnp.tanh(v))
        return F.linear(y, linear)

    shapes = ((4, 3, 3, 3), (5, 4, 2, 2), (6, 5), (2, 3, 8, 8))
    arrays = [
        jnp.ones(shape, jnp.bfloat16 if i == 0 else jnp.float32) for i, shape in enumerate(shapes)
    ]
    found = _channels_last.homes(jax.make_jaxpr(step)(*arrays).jaxpr)
    assert found == {(4, 3, 3, 3): (2, 3, 1, 0)}
