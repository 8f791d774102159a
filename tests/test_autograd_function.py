"""`autograd.Function`: the same classes under real torch and torchcompat; and under JAX."""

import jax
import numpy as np
import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome


def function(torch, forward, backward=None, **more):
    """A Function class from plain functions."""
    members = {"forward": staticmethod(forward)}
    if backward is not None:
        members["backward"] = staticmethod(backward)
    members |= {name: staticmethod(f) for name, f in more.items()}
    return type(torch.autograd.Function)("Made", (torch.autograd.Function,), members)


def leaf(torch, *values):
    return torch.tensor(list(map(float, values)), requires_grad=True)


def keep(ctx, x, y):
    ctx.save_for_backward(x, y)
    return x * y


def product(ctx, g):
    x, y = ctx.saved_tensors
    return g * y, g * x


def multiply(torch):
    return function(torch, keep, product)


def gradients(torch):
    x, y = leaf(torch, 1, 2), leaf(torch, 3, 4)
    z = multiply(torch).apply(x, y)
    z.sum().backward()
    return z, x.grad, y.grad, z.grad_fn.name(), type(z.grad_fn).__name__, z.requires_grad


def second_derivative(torch):
    x, y = leaf(torch, 1, 2), leaf(torch, 3, 4)
    (g,) = torch.autograd.grad((multiply(torch).apply(x, y) ** 2).sum(), x, create_graph=True)
    return g, torch.autograd.grad(g.sum(), [x, y])


def node(torch):
    x, y = leaf(torch, 1, 2), torch.ones(2)
    z = multiply(torch).apply(x, y)
    fn = z.grad_fn
    fn.metadata["a"] = 1
    return fn.needs_input_grad, fn.saved_tensors, len(fn.next_functions), fn.metadata


def other_arguments(torch):
    def forward(ctx, x, k, name=None):
        ctx.k = k
        return x * k, name, 3

    def backward(ctx, g, *rest):
        return g * ctx.k, None, None

    x = leaf(torch, 1, 2)
    out = function(torch, forward, backward).apply(x, 3, name="a")
    out[0].sum().backward()
    return out, x.grad


def set_up(torch):
    seen = []

    def setup(ctx, inputs, output):
        seen.append((len(inputs), inputs[1], isinstance(output, tuple)))
        ctx.save_for_backward(inputs[0], output[0])

    def backward(ctx, g, h):
        x, out = ctx.saved_tensors
        return g * out + h, None

    made = function(torch, lambda x, k=2: (x.exp(), x + k), backward, setup_context=setup)
    x = leaf(torch, 1, 2)
    sum(one.sum() for one in made.apply(x)).backward()
    made.apply(x, k=5)
    return [round(v, 4) for v in x.grad.tolist()], seen


def unused_output(torch, materialize=True):
    seen = []

    def forward(ctx, x):
        ctx.set_materialize_grads(materialize)
        return x * 2, x > 1, x * 3

    def backward(ctx, g, mask, h):
        seen.append([one if one is None else one.tolist() for one in (g, mask, h)])
        return g * 2

    x = leaf(torch, 1, 2)
    function(torch, forward, backward).apply(x)[0].sum().backward()
    return x.grad, seen


def unused_output_is_none(torch):
    return unused_output(torch, False)


def not_differentiable(torch):
    def forward(ctx, x):
        y = x * 2
        ctx.mark_non_differentiable(y)
        return x.exp(), y

    x = leaf(torch, 0, 0)
    a, b = function(torch, forward, lambda ctx, g, h: g).apply(x)
    return a.requires_grad, b.requires_grad, b.grad_fn is None


def double(ctx, x):
    x.mul_(2)
    ctx.mark_dirty(x)
    return x


def dirty(torch):
    x = leaf(torch, 1, 2)
    y = x * 1
    z = function(torch, double, lambda ctx, g: g * 2).apply(y)
    z.sum().backward()
    return z is y, y, y.grad_fn.name(), x.grad


def dirty_view(torch):
    x = leaf(torch, 1, 2, 3)
    base = x * 1
    view = base[:2]
    function(torch, double, lambda ctx, g: g * 2).apply(view)
    base.sum().backward()
    return base, base.grad_fn.name(), x.grad


def dirty_leaf(torch):
    function(torch, double, lambda ctx, g: g * 2).apply(leaf(torch, 1))


def dirty_not_returned(torch):
    def forward(ctx, x):
        double(ctx, x)
        return x * 1

    function(torch, forward, lambda ctx, g: g).apply(leaf(torch, 1) * 1)


def returns_argument(torch):
    x = leaf(torch, 1, 2)
    y = function(torch, lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    y.sum().backward()
    return y is x, x.grad


def returning(*found):
    def scenario(torch):
        made = function(torch, lambda ctx, x, y: x * y, lambda ctx, g: found[0](g))
        x = leaf(torch, 1, 2, 3)
        made.apply(x, torch.ones(3)).sum().backward()
        return x.grad

    return scenario


too_few = returning(lambda g: g)
too_many = returning(lambda g: (g, g, g))
more_but_none = returning(lambda g: (g, g, None))
wrong_shape = returning(lambda g: (g[:2], None))
broadcast_shape = returning(lambda g: (g.expand(2, 3), None))
wrong_dtype = returning(lambda g: (g.double(), None))
no_tensor = returning(lambda g: (1.0, None))
a_list = returning(lambda g: [g, None])
nothing = returning(lambda g: (None, None))


def gradient_of_number(torch):
    made = function(torch, lambda ctx, x, k: x * k, lambda ctx, g: (g, g))
    made.apply(leaf(torch, 1), 3).backward()


def no_backward(torch):
    function(torch, lambda ctx, x: x * 2).apply(leaf(torch, 1)).backward()


def no_forward(torch):
    type(torch.autograd.Function)("Empty", (torch.autograd.Function,), {}).apply(leaf(torch, 1))


def both_backward_and_vjp(torch):
    made = function(torch, lambda ctx, x: x * 2, lambda ctx, g: g, vjp=lambda ctx, g: g)
    made.apply(leaf(torch, 1)).backward()


def vjp_alone(torch):
    x = leaf(torch, 1)
    function(torch, lambda ctx, x: x * 2, vjp=lambda ctx, g: g * 7).apply(x).backward()
    return x.grad


def twice(torch):
    z = multiply(torch).apply(leaf(torch, 1), leaf(torch, 2))
    z.backward()
    z.backward()


def twice_without_saved(torch):
    x = leaf(torch, 1)
    z = function(torch, lambda ctx, x: x * 2, lambda ctx, g: g * 2).apply(x)
    z.backward()
    z.backward()
    return x.grad


def saved_after(torch):
    z = multiply(torch).apply(leaf(torch, 1), leaf(torch, 2))
    z.backward()
    return z.grad_fn.saved_tensors


def saved_output_modified(torch):
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    z = function(torch, forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(leaf(torch, 1))
    w = z * 1
    with torch.no_grad():
        z.add_(1)
    w.backward()


def saved_input_modified(torch):
    x, y = leaf(torch, 1), torch.ones(1)
    z = multiply(torch).apply(x, y)
    y.add_(1)
    z.backward()


def saves_a_number(torch):
    def forward(ctx, x):
        ctx.save_for_backward(x, 3)
        return x * 1

    function(torch, forward, lambda ctx, g: g).apply(leaf(torch, 1))


def once(torch):
    if torch is ours:
        from torchcompat.autograd.function import once_differentiable
    else:
        from torch.autograd.function import once_differentiable
    made = function(torch, keep, once_differentiable(product))
    x, y, w = (leaf(torch, 1, 2) for _ in range(3))
    (g,) = torch.autograd.grad((made.apply(x, y) * w).sum(), x, create_graph=True)
    seen = g, g.grad_fn.name()
    try:
        g.sum().backward()
    except RuntimeError as error:
        return *seen, str(error)


def in_no_grad(torch):
    with torch.no_grad():
        return multiply(torch).apply(leaf(torch, 1), leaf(torch, 2)).requires_grad


def no_gradient_needed(torch):
    z = multiply(torch).apply(torch.ones(1), torch.ones(1))
    return z.requires_grad, z.grad_fn is None


def hooks_of_node(torch):
    seen = []
    x, y = leaf(torch, 1, 2), leaf(torch, 3, 4)
    z = multiply(torch).apply(x, y)
    z.grad_fn.register_prehook(lambda gs: (gs[0] * 2,))
    z.grad_fn.register_hook(lambda gi, go: seen.append([t.tolist() for t in (*gi, *go)]))
    z.sum().backward()
    return x.grad, y.grad, seen


def called_as_instance(torch):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        multiply(torch)()(leaf(torch, 1))


def jvp_missing(torch):
    multiply(torch).jvp(None)


SCENARIOS = [
    gradients,
    second_derivative,
    node,
    other_arguments,
    set_up,
    unused_output,
    unused_output_is_none,
    not_differentiable,
    dirty,
    dirty_view,
    dirty_leaf,
    dirty_not_returned,
    returns_argument,
    gradient_of_number,
    no_backward,
    no_forward,
    both_backward_and_vjp,
    vjp_alone,
    twice,
    twice_without_saved,
    saved_after,
    saved_output_modified,
    saved_input_modified,
    saves_a_number,
    once,
    in_no_grad,
    no_gradient_needed,
    hooks_of_node,
    called_as_instance,
    jvp_missing,
]
RETURNING = {
    name: globals()[name]
    for name in "too_few too_many more_but_none wrong_shape broadcast_shape wrong_dtype no_tensor "
    "a_list nothing".split()
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(scenario):
    assert outcome(scenario, ours) == outcome(scenario, real)


@pytest.mark.parametrize("name", RETURNING)
def test_what_backward_returns(name):
    assert outcome(RETURNING[name], ours) == outcome(RETURNING[name], real)


# -- under JAX ----------------------------------------------------------------------------------------


class Cube(ours.autograd.Function):
    """Its derivative is wrong on purpose, so that it shows who was asked."""

    @staticmethod
    def forward(ctx, x, k):
        y = x**2
        ctx.save_for_backward(x, y)
        ctx.k = k
        return y * x

    @staticmethod
    def backward(ctx, g):
        x, _ = ctx.saved_tensors
        return g * x * x * ctx.k, None


def test_arrays_in_arrays_out():
    out = Cube.apply(jax.numpy.asarray([2.0]), 3)
    assert isinstance(out, jax.Array) and out.tolist() == [8.0]


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_jax_grad(wrap):
    gradient = jax.grad(lambda x: Cube.apply(x, 10.0).sum())
    assert wrap(gradient)(jax.numpy.asarray([2.0, 3.0])).tolist() == [40.0, 90.0]


def test_jax_second_derivative():
    def first(x):
        return jax.grad(lambda x: Cube.apply(x, 10.0).sum())(x).sum()

    assert jax.grad(first)(jax.numpy.asarray([2.0])).tolist() == [40.0]


def test_vmap():
    found = jax.vmap(jax.grad(lambda x: Cube.apply(x, 10.0).sum()))(jax.numpy.ones((3, 2)))
    np.testing.assert_array_equal(found, np.full((3, 2), 10.0))


def test_compiled_forward_eager_backward():
    x = ours.tensor([2.0, 3.0], requires_grad=True)
    ours.compile(lambda x: Cube.apply(x, 10.0) * 1)(x).sum().backward()
    assert x.grad.tolist() == [40.0, 90.0]


def test_backward_inside_compile():
    @ours.compile
    def step(x):
        x = x.detach().requires_grad_()
        (g,) = ours.autograd.grad(Cube.apply(x, 10.0).sum(), x, create_graph=True)
        return g, *ours.autograd.grad(g.sum(), x)

    first, second = step(ours.tensor([2.0, 3.0]))
    assert first.tolist() == [40.0, 90.0] and second.tolist() == [40.0, 60.0]


def test_written_argument_under_jit():
    made = function(ours, double, lambda ctx, g: g * 100)

    def loss(x):
        y = ours.add(x, 0)
        return made.apply(ours.Tensor.clone(y) if isinstance(y, ours.Tensor) else y).sum()

    assert jax.grad(loss)(jax.numpy.ones(2)).tolist() == [100.0, 100.0]
