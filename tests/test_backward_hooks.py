"""Backward hooks of modules: order, arguments and effect as in torch."""

import warnings

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


def returning(change, method="register_backward_hook"):
    """A scenario: a hook on the activation returns `change` of the gradients that it sees."""

    def scenario(torch):
        model, x = network(torch), inputs(torch)
        getattr(model[1], method)(lambda module, *seen: change(torch, seen[0]))
        model(x).sum().backward()
        return grads(model, x)

    return scenario


def on_the_node(change, method="register_prehook"):
    """As `returning`, for a hook of a node of the graph."""

    def scenario(torch):
        x = inputs(torch)
        y = x.tanh()
        getattr(y.grad_fn, method)(lambda *seen: change(torch, seen[0]))
        y.sum().backward()
        return rounded(x.grad)

    return scenario


CHANGES = {
    "too_few": lambda torch, g: g[:-1],
    "too_many": lambda torch, g: (*g, g[0]),
    "tensor": lambda torch, g: g[0],
    "list": lambda torch, g: list(g),
    "number": lambda torch, g: 3,
    "numbers": lambda torch, g: (3,),
    "none": lambda torch, g: (None,),
    "other_shape": lambda torch, g: (torch.ones(3),),
    "other_type": lambda torch, g: (g[0].double(),),
    "doubled": lambda torch, g: (g[0] * 2,),
}
RETURNS = {
    f"{title}-{method}": make(change, method)
    for title, change in CHANGES.items()
    for make, method in (
        (returning, "register_backward_hook"),
        (returning, "register_full_backward_hook"),
        (returning, "register_full_backward_pre_hook"),
        (on_the_node, "register_prehook"),
        (on_the_node, "register_hook"),
    )
}


def value_for_none(torch):
    a, b = inputs(torch), inputs(torch, False)
    y = a * b
    y.grad_fn.register_hook(lambda got, given: (got[0], got[0]))
    y.sum().backward()


def leaf_hook(torch):
    x = inputs(torch)
    y = x.expand(2, 2)
    y.grad_fn.next_functions[0][0].register_hook(lambda got, given: given)
    y.sum().backward()


class Clones:
    """Writes to what goes into and comes out of a hooked module."""

    def __init__(self, torch, inside=False):
        class Clone(torch.nn.Module):
            def forward(self, x):
                self.seen = x
                if inside:
                    x += 1
                return x.clone()

        self.model, self.x = Clone(), inputs(torch)
        self.model.register_full_backward_hook(lambda *seen: None)


def input_is_written(torch):
    case = Clones(torch, inside=True)
    case.model(case.x.clone())


def base_of_input_is_written(torch):
    case = Clones(torch)
    x = case.x.clone()
    case.model(x)
    x[0] *= 1
    return case.model.seen + 2


def view_of_input_is_written(torch):
    case = Clones(torch)
    case.model(case.x.clone())
    case.model.seen[0].mul_(2)


def output_is_written(torch):
    case = Clones(torch)
    y = case.model(case.x)
    y += 1


def output_is_written_unrecorded(torch):
    case = Clones(torch)
    y = case.model(case.x)
    with torch.no_grad():
        y += 1
    return y.grad_fn


def detached_output_is_written(torch):
    case = Clones(torch)
    y = case.model(case.x)
    y.detach().add_(1)
    return rounded(y), y._is_view(), y.is_leaf


def next_layer_writes(torch):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(inplace=True))
    model[0].register_full_backward_hook(lambda *seen: None)
    return model(inputs(torch, False)).shape


def returned_as_is(torch):
    class Same(torch.autograd.Function):
        forward = staticmethod(lambda ctx, x: x)
        backward = staticmethod(lambda ctx, g: g)

    y = Same.apply(inputs(torch).clone())
    y += 1


def one_of_two_views(torch):
    class Halves(torch.autograd.Function):
        forward = staticmethod(lambda ctx, x: (x[:1], x[1:]))
        backward = staticmethod(lambda ctx, a, b: torch.cat([a, b]))

    y, _ = Halves.apply(inputs(torch).clone())
    y += 1


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
    value_for_none,
    leaf_hook,
    input_is_written,
    base_of_input_is_written,
    view_of_input_is_written,
    output_is_written,
    output_is_written_unrecorded,
    detached_output_is_written,
    next_layer_writes,
    returned_as_is,
    one_of_two_views,
    both_kinds,
]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing", "ignore:Using a? ?non-full")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(scenario):
    assert outcome(scenario, ours) == outcome(scenario, real)


@pytest.mark.filterwarnings("ignore:Using a non-full backward hook")
@pytest.mark.parametrize("name", RETURNS)
def test_what_hooks_return(name):
    assert outcome(RETURNS[name], ours) == outcome(RETURNS[name], real)


def _module(torch, run):
    class Made(torch.nn.Module):
        forward = staticmethod(run)

    return Made()


# title -> (forward, its arguments from two tensors, which kind of hook)
WARNED = {
    "list_in": (lambda both: (both[0].clone(), both[1].clone()), lambda a, b: ([a, b],), "older"),
    "list_out": (lambda a, b: [a.clone(), b.clone()], lambda a, b: (a, b), "older"),
    "two_nodes": (lambda a, b: (a.clone(), b.clone()), lambda a, b: (a, b), "older"),
    "chain": (lambda a: a.clone().clone(), lambda a, b: (a,), "older"),
    "leaf": (lambda a: a.clone(), lambda a, b: (a,), "older"),
    "one_node": (lambda a: a.clone(), lambda a, b: (a * 2,), "older"),
    "number_in": (lambda a, n: a * n, lambda a, b: (a * 2, 3), "older"),
    "dict_out": (lambda a: {"x": a * 2}, lambda a, b: (a,), "full"),
    "list_out_full": (lambda a: [a * 2], lambda a, b: (a,), "full"),
    "tuple_out_full": (lambda a: (a * 2, 3), lambda a, b: (a,), "full"),
}


def _warned(torch, run, arguments, kind):
    model, called = _module(torch, run), []
    register = (
        model.register_backward_hook if kind == "older" else model.register_full_backward_hook
    )
    register(lambda *seen: called.append(1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        y = model(*arguments(inputs(torch), inputs(torch)))
    y = next(iter(y.values())) if isinstance(y, dict) else y
    (y[0] if isinstance(y, (list, tuple)) else y).sum().backward()
    return [(one.category.__name__, str(one.message)) for one in seen], len(called)


@pytest.mark.parametrize("title", WARNED)
def test_warnings_of_odd_modules(title):
    assert _warned(ours, *WARNED[title]) == _warned(real, *WARNED[title])


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
