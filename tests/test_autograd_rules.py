"""What autograd allows and refuses: saved tensors, views, inference tensors, hooks, `.grad`; modes."""

import jax
import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome


def leaf(torch, *values):
    return torch.tensor(list(map(float, values)), requires_grad=True)


# -- tensors that backward needs ----------------------------------------------------------------------

# name -> what is computed from `y`, which is then written to
COMPUTED = {
    "add": "y + 1",
    "add_two": "y + x",
    "sub": "x - y",
    "mul": "y * y",
    "mul_number": "y * 3",
    "mul_constant": "y.detach() * x",
    "div_number": "y / 3",
    "div": "x / y",
    "divided": "y / x",
    "exp": "y.exp()",
    "sin": "y.sin()",
    "sum": "y.sum()",
    "mean": "y.mean()",
    "relu": "y.relu()",
    "sigmoid": "y.sigmoid()",
    "tanh": "y.tanh()",
    "softmax": "y.softmax(0)",
    "log": "y.log()",
    "sqrt": "y.sqrt()",
    "abs": "y.abs()",
    "pow": "y**2",
    "square": "y.square()",
    "neg": "-y",
    "reshape": "y.reshape(2, 1) * 1",
    "cat": "torch.cat([y, y])",
    "stack": "torch.stack([y, x])",
    "matmul": "torch.stack([y, x]) @ x",
    "dot": "y @ y",
    "linear": "torch.nn.functional.linear(x, torch.ones(2, 2), y)",
    "linear_input": "torch.nn.functional.linear(y, torch.ones(2, 2))",
    "where": "torch.where(x > 1, y, x)",
    "masked_fill": "y.masked_fill(x > 1, 0.0)",
    "clamp": "y.clamp(0, 1)",
    "maximum": "torch.maximum(y, x)",
    "var": "y.var()",
    "norm": "y.norm()",
    "cumsum": "y.cumsum(0)",
    "logsumexp": "y.logsumexp(0)",
    "mse_loss": "torch.nn.functional.mse_loss(y, x)",
    "gelu": "torch.nn.functional.gelu(y)",
    "silu": "torch.nn.functional.silu(y)",
    "leaky_relu": "torch.nn.functional.leaky_relu(y)",
    "addcmul": "torch.addcmul(y, x, x)",
    "lerp": "torch.lerp(y, x, 0.5)",
    "view_of_it": "y[0].sin()",
}


@pytest.mark.parametrize("name", COMPUTED)
def test_argument_written_to(name):
    def scenario(torch):
        x = leaf(torch, 1, 2)
        y = x * 2
        z = eval(COMPUTED[name], {"torch": torch, "x": x, "y": y})  # noqa: S307
        y.add_(1)
        z.sum().backward()
        return [round(v, 4) for v in x.grad.tolist()]

    assert outcome(scenario, ours) == outcome(scenario, real)


@pytest.mark.parametrize("name", COMPUTED)
def test_result_written_to(name):
    def scenario(torch):
        x = leaf(torch, 1, 2)
        y = x * 2
        z = eval(COMPUTED[name], {"torch": torch, "x": x, "y": y})  # noqa: S307
        z.add_(1)
        z.sum().backward()
        return [round(v, 4) for v in x.grad.tolist()]

    assert outcome(scenario, ours) == outcome(scenario, real)


@pytest.mark.parametrize("name", COMPUTED)
def test_backward_twice(name):
    def scenario(torch):
        x = leaf(torch, 1, 2)
        y = x + 2
        z = eval(COMPUTED[name], {"torch": torch, "x": x, "y": y}).sum()  # noqa: S307
        z.backward()
        z.backward()

    assert outcome(scenario, ours) == outcome(scenario, real)


# -- everything else ------------------------------------------------------------------------------------


def through_data(torch):
    x = leaf(torch, 1, 2)
    z = x.sin()
    x.data.add_(1)
    x.data[0] = 5
    z.sum().backward()  # torch's gradient is of the new value, ours of the one that went in
    return x._version


def through_detach(torch):
    x = leaf(torch, 1, 2)
    z = x.sin()
    x.detach().add_(1)
    z.sum().backward()


def in_place_ops_keep_copies(torch):
    x = leaf(torch, 1, 2)
    y = x * 1
    y.mul_(x)
    y.exp_()
    y.add_(1)
    y.sum().backward()


def in_place_of_saved_result(torch):
    x = leaf(torch, 1, 2)
    y = x * 1
    y.exp_()
    (y * 3).sum().backward()
    return [round(v, 3) for v in x.grad.tolist()], y._version


def several(how, base="x * 2", write="add_(1)"):
    def scenario(torch):
        x = leaf(torch, 1, 2)
        parts = eval(f"({base}).{how}", {"x": x, "torch": torch})  # noqa: S307
        eval(f"part.{write}", {"part": parts[0]})  # noqa: S307

    return scenario


def view_from_no_grad(torch):
    y = leaf(torch, 1, 2) * 2
    with torch.no_grad():
        view = y[0]
    view.mul_(2)


def view_of_leaf_from_no_grad(torch):
    x = leaf(torch, 1, 2)
    with torch.no_grad():
        view = x[0]
    view.mul_(2)


def both_in_no_grad(torch):
    y = leaf(torch, 1, 2) * 2
    with torch.no_grad():
        y[0].mul_(2)
    return y


def part_of_changed_base(torch):
    y = leaf(torch, 1, 2) * 2
    part = y.split(1)[0]
    with torch.no_grad():
        part.add_(1)
    part.sum().backward()


def inference(torch):
    with torch.inference_mode():
        made = torch.ones(2)
        alias = made.view(2)
        inside = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        with torch.enable_grad():
            still = (leaf(torch, 1) * 2).requires_grad
    tensors = made, alias, made * 2, made.clone(), made.detach()
    return [t.is_inference() for t in tensors], inside, still, torch.is_inference_mode_enabled()


def made_in_inference(text):
    def scenario(torch):
        with torch.inference_mode():
            made = torch.ones(2)
        return eval(text, {"torch": torch, "made": made, "x": leaf(torch, 1, 2)})  # noqa: S307

    return scenario


def generator(torch):
    @torch.no_grad()
    def steps():
        got = yield torch.is_grad_enabled()
        yield torch.is_grad_enabled(), got
        return 3

    running = steps()
    seen = [next(running), torch.is_grad_enabled(), running.send(5), torch.is_grad_enabled()]
    try:
        next(running)
    except StopIteration as end:
        return seen, end.value


def decorated(torch):
    bare = torch.no_grad(torch.is_grad_enabled)
    made = torch.set_grad_enabled(False)(torch.is_grad_enabled)
    return bare(), made(), torch.is_grad_enabled(), torch.inference_mode(torch.is_grad_enabled)()


def assigned(text):
    def scenario(torch):
        x = leaf(torch, 1, 2)
        x.grad = eval(text, {"torch": torch, "x": x})  # noqa: S307

    return scenario


def hooked(text):
    def scenario(torch):
        y = leaf(torch, 1, 2) * 2
        y.register_hook(eval(text, {"torch": torch}))  # noqa: S307
        y.sum().backward()

    return scenario


def retained_sees_hooks(torch):
    y = leaf(torch, 1, 2) * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    return y.grad


def grad_of_part_computes_no_more(torch):
    seen = []
    x, w = leaf(torch, 1, 2), leaf(torch, 3, 4)
    w.register_hook(lambda g: seen.append(1))
    return torch.autograd.grad((x * w).sum(), x), seen, w.grad


def integer_leaf(torch):
    torch.ones(2, dtype=torch.int64).requires_grad_()


def gradients_do_not_fit(torch):
    x = leaf(torch, 1)
    torch.autograd.backward([x.sum(), x.sum()], [None])


def complex_output(torch):
    torch.ones(1, dtype=torch.complex64, requires_grad=True).sum().backward()


def node_class(torch):
    x = leaf(torch, 1, 2)
    y = (x @ x).exp()
    conv = torch.nn.functional.conv1d(torch.ones(1, 1, 3), torch.ones(1, 1, 2, requires_grad=True))
    names = [type(t.grad_fn).__name__ for t in (y, x + 1, x.relu(), conv)]
    return names, repr(y.grad_fn).split()[0], y.grad_fn.next_functions[0][0].name()


SCENARIOS = {
    f.__name__: f
    for f in (
        through_data,
        through_detach,
        in_place_ops_keep_copies,
        in_place_of_saved_result,
        view_from_no_grad,
        view_of_leaf_from_no_grad,
        both_in_no_grad,
        part_of_changed_base,
        inference,
        generator,
        decorated,
        retained_sees_hooks,
        grad_of_part_computes_no_more,
        integer_leaf,
        gradients_do_not_fit,
        complex_output,
        node_class,
    )
} | {
    "unbind": several("unbind()"),
    "split": several("split(1)"),
    "chunk": several("chunk(2)", write="mul_(2)"),
    "split_of_leaf": several("split(1)", "x"),
    "expanded_leaf": several("expand(2, 2)", "x"),
    "inference_saved": made_in_inference("x * made"),
    "inference_not_saved": made_in_inference("x + made"),
    "inference_in_place": made_in_inference("made.add_(1)"),
    "inference_item": made_in_inference("made.__setitem__(0, 1.0)"),
    "inference_view": made_in_inference("made[0].add_(1)"),
    "inference_flag": made_in_inference("made.requires_grad_()"),
    "inference_version": made_in_inference("made._version"),
    "grad_is_number": assigned("3"),
    "grad_of_other_size": assigned("torch.ones(3)"),
    "grad_of_other_type": assigned("torch.ones(2).double()"),
    "grad_of_half": assigned("torch.ones(2).half()"),
    "grad_elsewhere": assigned("torch.ones(2, device='meta')"),
    "grad_is_itself": assigned("x"),
    "hook_returns_number": hooked("lambda g: 3"),
    "hook_changes_size": hooked("lambda g: torch.ones(3)"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_as_torch(name):
    assert outcome(SCENARIOS[name], ours) == outcome(SCENARIOS[name], real)


def test_grad_of_non_leaf_warns():
    for torch in (real, ours):
        y = leaf(torch, 1) * 2
        with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf"):
            assert y.grad is None


def test_values_that_no_derivative_needs_are_not_kept():
    """As in torch, a sum or a shift keeps nothing of what went in."""
    x = leaf(ours, 1, 2)
    y = (x + 1).sum()
    assert not any(isinstance(one, ours.Tensor) for one in y.grad_fn.leaves)
    assert y.grad_fn.leaves[0].shape == (2,) and not hasattr(y.grad_fn.leaves[0], "devices")


def test_hooks_see_the_64_bit_setting_of_their_author():
    seen = []
    x = leaf(ours, 1, 2)
    y = x * 2
    y.register_hook(lambda g: seen.append(jax.numpy.zeros(1, int).dtype.name))
    x.register_post_accumulate_grad_hook(lambda t: seen.append(jax.config.jax_enable_x64))
    y.sum().backward()
    assert seen == ["int32", False]
