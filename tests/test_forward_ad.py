"""`autograd.forward_ad` against torch's: tangents through ops, views, writes, graphs and Functions."""

import numpy as np
import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome


def level(torch):
    return torch.autograd.forward_ad


def through_ops(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.tensor([1.0, 5.0, 2.0]), torch.tensor([1.0, 2.0, 3.0]))
        largest, place = x.max(0)
        first, rest = torch.split(x, [1, 2])
        several = largest, first, rest, torch.cat([x, torch.ones(1)]), torch.stack([x, x]).sum(0)
        several += torch.where(x > 1.5, x, 0.0), x.sort()[0], torch.einsum("i,i->", x, x), x[1:] * 2
        return [fw.unpack_dual(y) for y in several], fw.unpack_dual(place).tangent


def of_tensors_that_do_not_change(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.ones(2), torch.ones(2))
        seen = [torch.ones(2) * 3, x.detach(), x.data, fw.unpack_dual(x).primal, x.argmax()]
        return [fw.unpack_dual(y).tangent for y in seen], fw.unpack_dual(x.clone())


def module(torch):
    fw = level(torch)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(6.0).view(2, 3))
        model[0].bias.fill_(1.0)
    with fw.dual_level():
        for name, p in list(model[0].named_parameters()):
            delattr(model[0], name)
            setattr(model[0], name, fw.make_dual(p.detach(), torch.ones_like(p)))
        return fw.unpack_dual(model(torch.ones(1, 3)))


def writes(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.ones(2), torch.tensor([3.0, 4.0]))
        target = torch.zeros(2)
        before = target[:1]
        target[0] = x[1] * 2
        scaled = x.clone().mul_(5)
        view = scaled.view(2, 1)
        view[0].zero_()
        filled = x.clone()
        filled.copy_(torch.zeros(2))
        spread = torch.zeros(2, 2)
        spread.t()[0].copy_(x)
        seen = target, before, scaled, view, filled, spread, spread[:, 0]
        return [fw.unpack_dual(y) for y in seen]


def a_tangent_of_another_layout(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.arange(6.0).view(2, 3).t(), torch.arange(6.0).view(3, 2))
        return fw.unpack_dual(x.t().reshape(-1)), fw.unpack_dual(x[1])


def forward_over_reverse(torch):
    fw = level(torch)
    x = torch.tensor([2.0], requires_grad=True)
    with fw.dual_level():
        y = fw.make_dual(x, torch.ones(1)) ** 3
        slope = fw.unpack_dual(y).tangent
        slope.backward()
        return x.grad, slope, slope.requires_grad


def reverse_over_forward(torch):
    fw = level(torch)
    x = torch.tensor([2.0, 1.0])
    with fw.dual_level():
        dual = fw.make_dual(x, torch.tensor([1.0, 0.0])).requires_grad_()
        (gradient,) = torch.autograd.grad((dual**3).sum(), dual, create_graph=True)
        return fw.unpack_dual(gradient)


def modes(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.ones(2), torch.ones(2) * 3)
        with torch.no_grad():
            unrecorded = x * 2
        with fw._set_fwd_grad_enabled(False):
            still = x * 2
        return fw.unpack_dual(unrecorded).tangent, fw.unpack_dual(still).tangent


def printed(torch):
    fw = level(torch)
    with fw.dual_level():
        return repr(fw.make_dual(torch.ones(2), torch.ones(2) * 3))


def ended(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.ones(2), torch.ones(2))
        y = x * 3
    with fw.dual_level():
        return fw.unpack_dual(y).tangent, fw.unpack_dual(x).tangent


def nested(torch):
    with level(torch).dual_level(), level(torch).dual_level():
        pass


def without_a_level(torch):
    assert level(torch).unpack_dual(torch.ones(1)).tangent is None
    level(torch).make_dual(torch.ones(1), torch.ones(1))


def left_twice(torch):
    level(torch).exit_dual_level()


def twice_dual(torch):
    fw = level(torch)
    with fw.dual_level():
        fw.make_dual(fw.make_dual(torch.ones(2), torch.ones(2)), torch.ones(2))


def of_another_size(torch):
    with level(torch).dual_level():
        level(torch).make_dual(torch.ones(2), torch.ones(3))


def of_integers(torch):
    with level(torch).dual_level():
        level(torch).make_dual(torch.ones(2, dtype=torch.int64), torch.ones(2))


def product(torch, with_jvp=True):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(x, y, power):
            return x * y**power, x.argmax()

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, y, ctx.power = inputs
            ctx.save_for_forward(x, y)
            ctx.save_for_backward(x, y)
            ctx.mark_non_differentiable(output[1])

        if with_jvp:

            @staticmethod
            def jvp(ctx, x_step, y_step, nothing):
                x, y = ctx.saved_tensors
                return x_step * y**ctx.power + 10 * x * y_step, None

        @staticmethod
        def backward(ctx, g, nothing):
            x, y = ctx.saved_tensors
            return g * y**ctx.power, g * x * 2 * y, None

    return Product.apply


def function(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.tensor([2.0]), torch.tensor([1.0]))
        out, place = product(torch)(x, torch.tensor([3.0]), 2)
        return fw.unpack_dual(out), fw.unpack_dual(place).tangent


def function_under_func_jvp(torch):
    points, steps = (torch.tensor([2.0]), torch.tensor([3.0])), (torch.ones(1), torch.ones(1) * 7)
    run = product(torch)
    return torch.func.jvp(lambda x, y: run(x, y, 2)[0], points, steps)


def function_without_jvp(torch):
    fw = level(torch)
    with fw.dual_level():
        x = fw.make_dual(torch.ones(1), torch.ones(1))
        product(torch, with_jvp=False)(x, torch.ones(1), 2)


def function_under_func_without_setup_context(torch):
    class Old(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    return torch.func.grad(lambda x: Old.apply(x).sum())(torch.ones(2))


def squared(torch, **own):
    class Squared(torch.autograd.Function):
        @staticmethod
        def forward(x, factor):
            return x * x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0], None

    for name, value in own.items():
        setattr(Squared, name, value)
    return Squared


def rule(torch):
    def vmap(info, in_dims, x, factor):
        return x * x * factor + info.batch_size, in_dims[0]

    return staticmethod(vmap)


def function_with_a_vmap_rule(torch):
    run = squared(torch, vmap=rule(torch)).apply
    return torch.func.vmap(run, (0, None))(torch.ones(3, 2), 2.0)


def function_with_a_generated_rule(torch):
    run = squared(torch, generate_vmap_rule=True).apply
    slope = torch.func.grad(lambda x: run(x, 1.0).sum())
    return torch.func.vmap(run, (0, None))(torch.ones(3, 2), 2.0), torch.func.vmap(slope)(
        torch.ones(3, 2)
    )


def function_with_two_rules(torch):
    run = squared(torch, vmap=rule(torch), generate_vmap_rule=True).apply
    return torch.func.vmap(run, (0, None))(torch.ones(3, 2), 2.0)


def function_without_a_rule(torch):
    return torch.func.vmap(squared(torch).apply, (0, None))(torch.ones(3, 2), 2.0)


SCENARIOS = [
    through_ops,
    of_tensors_that_do_not_change,
    module,
    writes,
    a_tangent_of_another_layout,
    forward_over_reverse,
    reverse_over_forward,
    modes,
    printed,
    ended,
    nested,
    without_a_level,
    left_twice,
    twice_dual,
    of_another_size,
    of_integers,
    function,
    function_under_func_jvp,
    function_without_jvp,
    function_under_func_without_setup_context,
    function_with_a_vmap_rule,
    function_with_a_generated_rule,
    function_with_two_rules,
    function_without_a_rule,
]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(scenario):
    assert outcome(scenario, ours) == outcome(scenario, real)


def test_no_tangent_is_left_behind():
    x = ours.ones(2)
    with ours.autograd.forward_ad.dual_level():
        y = ours.autograd.forward_ad.make_dual(x, ours.ones(2))
    np.testing.assert_array_equal(y + x, [2, 2])
    assert "tangent" not in repr(y)
