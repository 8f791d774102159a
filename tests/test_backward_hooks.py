"""Backward hooks of modules: order, arguments and effect as in torch."""

import jax
import numpy as np
import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome, plain
from torchcompat.func import functional_call


def network(torch):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(torch.arange(p.numel()).view(p.shape) * 0.1 + 0.05 * i)
    return model


def inputs(torch, requires_grad=True):
    return torch.tensor([[1.0, 2.0], [0.5, -1.0]], requires_grad=requires_grad)


def grads(model, x):
    return [
        None if t is None or t.grad is None else rounded(t.grad) for t in (x, *model.parameters())
    ]


def rounded(x):
    return None if x is None else np.round(np.asarray(plain(x)), 4).tolist()


def recorder(log, name):
    def hook(module, *grads):
        log.append([name, type(module).__name__, *[[rounded(g) for g in one] for one in grads]])

    return hook


def order_and_arguments(torch):
    model, x, log = network(torch), inputs(torch), []
    for i, layer in enumerate(model):
        layer.register_full_backward_hook(recorder(log, f"full{i}"))
        layer.register_full_backward_pre_hook(recorder(log, f"pre{i}"))
    model.register_full_backward_hook(recorder(log, "all"))
    model(x).sum().backward()
    return log, grads(model, x)


def input_without_grad(torch):
    model, x, log = network(torch), inputs(torch, False), []
    model[0].register_full_backward_hook(recorder(log, "first"))
    model.register_full_backward_hook(recorder(log, "all"))
    model(x).sum().backward()
    return log, grads(model, x)


def replaces_grad_input(torch):
    model, x = network(torch), inputs(torch)
    model[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    model[1].register_full_backward_pre_hook(lambda m, go: (go[0] + 1,))
    model(x).sum().backward()
    return grads(model, x)


def removed(torch):
    model, x, log = network(torch), inputs(torch), []
    handle = model[1].register_full_backward_hook(recorder(log, "gone"))
    handle.remove()
    model(x).sum().backward()
    return log


def global_hooks(torch):
    model, x, log = network(torch), inputs(torch), []
    module = torch.nn.modules.module
    handles = [
        module.register_module_full_backward_hook(recorder(log, "full")),
        module.register_module_full_backward_pre_hook(recorder(log, "pre")),
    ]
    try:
        model(x).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    return log


def shared_module(torch):
    layer, x, log = network(torch)[0], inputs(torch), []
    layer.register_full_backward_hook(recorder(log, "shared"))
    layer(layer(x)).sum().backward()
    return log


def several_inputs_and_outputs(torch):
    class Two(torch.nn.Module):
        def forward(self, a, b, scale):
            return a * b * scale, a + b, "text"

    model, log = Two(), []
    model.register_full_backward_hook(recorder(log, "two"))
    a, b = inputs(torch), inputs(torch, False)
    product, total, _ = model(a, b, 3)
    product.sum().backward()
    return log, rounded(a.grad)


def older_kind(torch):
    model, x, log = network(torch), inputs(torch), []
    model[1].register_backward_hook(recorder(log, "older"))
    model(x).sum().backward()
    return log


def wrong_number(torch):
    model, x = network(torch), inputs(torch)
    model[1].register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    model(x).sum().backward()


def both_kinds(torch):
    model = network(torch)
    model.register_full_backward_hook(lambda *args: None)
    model.register_backward_hook(lambda *args: None)


SCENARIOS = [
    order_and_arguments,
    input_without_grad,
    replaces_grad_input,
    removed,
    global_hooks,
    shared_module,
    several_inputs_and_outputs,
    older_kind,
    wrong_number,
    both_kinds,
]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(scenario):
    assert outcome(scenario, ours) == outcome(scenario, real)


@pytest.mark.parametrize("torch", [ours, real], ids=["torchcompat", "torch"])
def test_warning_where_no_input_needs_a_gradient(torch):
    model = network(torch)
    model.register_full_backward_hook(lambda *args: None)
    with pytest.warns(
        UserWarning, match="Full backward hook is firing when gradients are computed"
    ):
        model(inputs(torch, False)).sum().backward()


# -- where JAX differentiates ---------------------------------------------------------------------------


def tripled():
    """A model whose activation multiplies the gradient by three."""
    ours.manual_seed(0)
    model = ours.nn.Sequential(ours.nn.Linear(2, 2), ours.nn.Tanh())
    model[1].register_full_backward_hook(lambda module, grad_in, grad_out: (grad_in[0] * 3,))
    return model


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_full_hooks_under_jax_grad(wrap):
    model = tripled()
    model(ours.ones(1, 2)).sum().backward()
    state = {name: p._read() for name, p in model.named_parameters()}
    x = jax.numpy.ones((1, 2))
    found = wrap(jax.grad(lambda p: functional_call(model, p, (x,)).sum()))(state)
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(found[name], parameter.grad, rtol=1e-6)


def test_full_hooks_of_compiled_forward():
    model = tripled()
    model(ours.ones(1, 2)).sum().backward()
    want = [p.grad for p in model.parameters()]
    model.zero_grad()
    ours.compile(model)(ours.ones(1, 2)).sum().backward()
    for parameter, gradient in zip(model.parameters(), want):
        np.testing.assert_allclose(parameter.grad, gradient, rtol=1e-6)
