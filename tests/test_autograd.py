"""Autograd: the same scenario under real torch and torchcompat gives the same numbers and texts."""

import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome


def leaf(torch, *values):
    return torch.tensor(list(map(float, values)), requires_grad=True)


def accumulates(torch):
    x = leaf(torch, 1, 2, 3)
    (x * x).sum().backward()
    first = x.grad.clone()
    (x * 3).sum().backward()
    return first, x.grad, x.is_leaf


def gradient_of_vector(torch):
    x = leaf(torch, 1, 2)
    (x**3).backward(torch.tensor([1.0, 10.0]))
    return x.grad


def used_twice(torch):
    x = leaf(torch, 2, 3)
    y = x * 2
    z = y * y + y
    z.sum().backward()
    return x.grad


def unused_input_has_no_grad(torch):
    x, y = leaf(torch, 1), leaf(torch, 2)
    (x * 2).sum().backward()
    return x.grad, y.grad


def second_derivative(torch):
    x = leaf(torch, 2, 3)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    return g, h, g.requires_grad, h.requires_grad


def create_graph_backward(torch):
    x = leaf(torch, 2)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    return g, x.grad


def grads_of_intermediate(torch):
    x = leaf(torch, 1, 2)
    y = x.exp()
    z = (y * x).sum()
    return torch.autograd.grad(z, [x, y])


def retained(torch):
    x = leaf(torch, 1, 2)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    return x.grad, y.grad, y.retains_grad


def backward_into_inputs(torch):
    x, y = leaf(torch, 1), leaf(torch, 5)
    (x * y).sum().backward(inputs=[x])
    return x.grad, y.grad


def hook_replaces(torch):
    x = leaf(torch, 1, 2)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = y.register_hook(lambda g: g * 10)
    y.sum().backward()
    first = x.grad.clone()
    handle.remove()
    x.grad = None
    (x * 3).sum().backward()
    return first, x.grad, seen


def hook_on_leaf(torch):
    x = leaf(torch, 1, 2)
    order = []
    x.register_hook(lambda g: order.append("hook") or g + 1)
    x.register_post_accumulate_grad_hook(lambda t: order.append(["after", t.grad.tolist()]))
    (x * x + x).sum().backward()
    return x.grad, order


def in_place_chain(torch):
    x = leaf(torch, 1, 2, 3)
    y = x * 2
    y.add_(1)
    y.mul_(x)
    y.sum().backward()
    return x.grad, y.is_leaf


def write_through_view(torch):
    x = leaf(torch, 1, 2)
    base = torch.zeros(4)
    view = base[1:3]
    view.copy_(x)
    view.mul_(x)
    (base * torch.arange(4.0)).sum().backward()
    return x.grad, base, base.requires_grad, view.requires_grad


def write_through_readings(torch):
    x = leaf(torch, 1, 2)
    base = torch.complex(x, 3 * x) * 1
    base.conj().mul_(2 + 1j)
    base.imag.mul_(x)
    torch.view_as_real(base)[1].add_(x)
    base.conj().imag.mul_(x)
    last = base.conj()
    base.mul_(1j)
    (last * (2 - 3j)).real.sum().backward()
    return x.grad, base.real, last.imag.tolist()


def view_of_written_base(torch):
    x = leaf(torch, 1, 2)
    base = torch.zeros(2, 2)
    row = base[0]
    base.add_(x)
    row.sum().backward()
    return x.grad, row.requires_grad


def setitem(torch):
    x = leaf(torch, 5)
    y = leaf(torch, 1, 2, 3) * 2
    y[1] = x[0] * 3
    (y * y).sum().backward()
    return x.grad, y


def no_grad_cuts(torch):
    x = leaf(torch, 1, 2)
    with torch.no_grad():
        y = x * 2
        x.mul_(3)
    z = (x * y).sum()
    z.backward()
    return y.requires_grad, x.grad, x


def detach_cuts(torch):
    x = leaf(torch, 1, 2)
    y = x * x.detach()
    y.sum().backward()
    return x.grad


def integer_and_bool_results(torch):
    x = leaf(torch, 3, 1, 2)
    values, index = x.sort()
    (values * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    return x.grad, index, index.requires_grad, (x > 1).requires_grad


def several_outputs(torch):
    x = leaf(torch, 1, 2, 3, 4)
    a, b = x.chunk(2)
    c, d = x.unbind(0)[:2]
    (a * b).sum().backward(retain_graph=True)
    (c * d).backward()
    return x.grad


def broadcasting(torch):
    x = leaf(torch, 1, 2)
    y = torch.ones(3, 1, requires_grad=True)
    (x * y).sum().backward()
    return x.grad, y.grad


def float64_and_half(torch):
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([1.0, 2.0], dtype=torch.float16, requires_grad=True)
    (x * y).sum().backward()
    return x.grad, y.grad, str(x.grad.dtype), str(y.grad.dtype)


def complex_gradients(torch):
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    w = torch.tensor([2 - 1j, 0 + 1j], requires_grad=True)
    (z * w * z).abs().sum().backward()
    parts = [torch.view_as_real(t.grad) for t in (z, w)]
    return [[round(v, 4) for v in row] for p in parts for row in p.tolist()]


def graph_names(torch):
    x = leaf(torch, 1, 2)
    y = ((x * 2 + 1).exp() @ torch.ones(2)).relu()
    names, node = [], y.grad_fn
    while node is not None:
        names.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    return names


def not_scalar(torch):
    (leaf(torch, 1, 2) * 2).backward()


def twice(torch):
    x = leaf(torch, 2)
    y = (x * x).sum()
    y.backward()
    y.backward()


def no_graph(torch):
    torch.ones(1).backward()


def leaf_in_place(torch):
    leaf(torch, 1).add_(1)


def view_of_leaf_in_place(torch):
    leaf(torch, 1, 2)[0].add_(1)


def unused(torch):
    x, y = leaf(torch, 1), leaf(torch, 2)
    torch.autograd.grad((x * 2).sum(), [x, y])


def unused_allowed(torch):
    x, y = leaf(torch, 1), leaf(torch, 2)
    return torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)


def unused_materialised(torch):
    x, y = leaf(torch, 1), leaf(torch, 2)
    return torch.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)


def shape_mismatch(torch):
    (leaf(torch, 1, 2) * 2).backward(torch.ones(3))


def flag_of_non_leaf(torch):
    y = leaf(torch, 1) * 2
    y.requires_grad = False


def flag_of_integers(torch):
    torch.ones(2, dtype=torch.int64, requires_grad=True)


def numpy_of_recorded(torch):
    leaf(torch, 1).numpy()


SCENARIOS = [
    accumulates,
    gradient_of_vector,
    used_twice,
    unused_input_has_no_grad,
    second_derivative,
    create_graph_backward,
    grads_of_intermediate,
    retained,
    backward_into_inputs,
    hook_replaces,
    hook_on_leaf,
    in_place_chain,
    write_through_view,
    write_through_readings,
    view_of_written_base,
    setitem,
    no_grad_cuts,
    detach_cuts,
    integer_and_bool_results,
    several_outputs,
    broadcasting,
    float64_and_half,
    complex_gradients,
    graph_names,
    not_scalar,
    twice,
    no_graph,
    leaf_in_place,
    view_of_leaf_in_place,
    unused,
    unused_allowed,
    unused_materialised,
    shape_mismatch,
    flag_of_non_leaf,
    flag_of_integers,
    numpy_of_recorded,
]


@pytest.mark.filterwarnings("ignore:Using backward\\(\\) with create_graph=True")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(scenario):
    assert outcome(scenario, ours) == outcome(scenario, real)
