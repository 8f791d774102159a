"""What is known of a backward pass, views that nothing recorded, and second derivatives that are None."""

import gc
import weakref

import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome


def leaf(torch, *values):
    return torch.tensor(list(map(float, values)), requires_grad=True)


def attempt(run):
    try:
        found = run()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return type(error).__name__, str(error).splitlines()[0]
    return repr(found)


# -- views that nothing recorded ----------------------------------------------------------------------


def _unrecorded(torch, mode):
    x = leaf(torch, 1, 2) * 1
    with getattr(torch, mode)():
        view, other, later = x.view(2), x.view(2), x.view(2)
        other.mul_(2)
    found = [view.requires_grad, attempt(lambda: view.add_(1)), repr(view)]
    found += [attempt(lambda: view * 2), attempt(lambda: view.is_leaf), attempt(lambda: later[:1])]
    return found


def view_made_in_no_grad(torch):
    return _unrecorded(torch, "no_grad")


def view_made_in_inference_mode(torch):
    return _unrecorded(torch, "inference_mode")


def view_of_a_view_made_in_no_grad(torch):
    with torch.no_grad():
        y = torch.zeros(2).view(2)
    y.requires_grad_()
    return attempt(lambda: y.view(2).div_(2)), (y.view(2) * 2).requires_grad


def gradient_into_a_closed_view(torch):
    b, rows = leaf(torch, 1, 2), torch.rand(1, 2).unbind()
    with torch.no_grad():
        view = torch.rand(2).view(2)
    return attempt(lambda: rows[0].copy_(b)), attempt(lambda: view.add_(b)), view.add_(1).shape


def relaid_in_no_grad(torch):
    x = leaf(torch, 1, 2) * 1
    view, row = x.view(1, 2), x.view(1, 2).unbind()[0]
    with torch.no_grad():
        view.t_()
        row.squeeze_(0)
    view.mul_(torch.tensor([[3.0], [4.0]]))
    return attempt(lambda: row.add_(1)), view.shape, x, torch.autograd.grad(x.sum(), x)


def parts_of_a_view_of_a_written_base(torch):
    x, base = leaf(torch, 1, 2), torch.zeros(2, 2)
    row, part = base[0], torch.view_as_complex(base)
    base.add_(x)
    (row[:1] * 3).sum().backward()
    return x.grad, part.real.requires_grad


def unsafe_pieces(torch):
    x = leaf(torch, 1, 2) * 1
    pieces = x.unsafe_split(1)
    pieces[0].add_(1)
    pieces[1].mul_(2)
    return torch.autograd.grad(pieces[0].sum() + pieces[1].sum(), x)


# -- second derivatives -------------------------------------------------------------------------------


def _twice(torch, text, **options):
    x, a = leaf(torch, 0.5), leaf(torch, 2)
    y = eval(text, {"torch": torch, "x": x, "a": a}).sum()  # noqa: S307
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return torch.autograd.grad(g.sum(), x, allow_unused=True, **options) if g.requires_grad else 0


def second_derivatives(torch):
    texts = [
        "x * a",
        "x / a",
        "a / x",
        "x * 2 + a",
        "x ** 2",
        "x @ a",
        "torch.outer(x, a)",
        "a ** x",
    ]
    texts += ["torch.nn.functional.linear(x.view(1, 1), a.view(1, 1), x)", "(x * a).exp()"]
    return [_twice(torch, text) for text in texts]


def materialized(torch):
    (second,) = _twice(torch, "x * a", materialize_grads=True, create_graph=True)
    return second, second.requires_grad


# -- passes -------------------------------------------------------------------------------------------


def prehooks_of_inner_inputs(torch):
    log, a = [], leaf(torch, 1)
    b = a.clone()
    b.grad_fn.register_prehook(lambda gs: log.append("node") or (gs[0] * 2,))
    b.register_hook(lambda g: log.append("tensor") or g * 3)
    b.sum().backward(inputs=(b,))
    return log, b.grad


def callbacks_that_add_callbacks(torch):
    log, x = [], leaf(torch, 1)
    queue = torch.autograd.Variable._execution_engine.queue_callback
    y = x * 2
    y.register_hook(lambda g: queue(lambda: log.append(1) or queue(lambda: log.append(2))))
    y.sum().backward()
    return log


def order_of_nodes(torch):
    found, a = [], leaf(torch, 1)
    b = a * 2
    out, other = b.sin(), b.cos()
    ask = torch._C._current_graph_task_execution_order

    other.register_hook(lambda g: found.append([n.name() for n in ask()]))
    with torch.autograd.set_multithreading_enabled(False):
        torch.autograd.grad((out, other), (a,), (torch.ones(1), torch.ones(1)), retain_graph=True)
        torch.autograd.grad((out, other), (b,), (torch.ones(1), torch.ones(1)), retain_graph=True)
    return found, attempt(ask), attempt(lambda: (other * 1).sum().backward())


def what_a_pass_runs(torch):
    found, a = [], leaf(torch, 1)
    end = a.clone().grad_fn.next_functions[0][0]
    b = a * 2
    ask = torch._C._will_engine_execute_node

    def hook(gradient):
        found.append([attempt(lambda x=x: ask(x)) for x in (end, b.grad_fn, b, None)])

    b.register_hook(hook)
    b.sum().backward(retain_graph=True)
    b.sum().backward(inputs=(b,), retain_graph=True)
    b.sum().backward(inputs=(a,), retain_graph=True)
    torch.autograd.grad(b.sum(), a)
    return found, attempt(lambda: ask(b.grad_fn))


def hooks_together_with_chosen_inputs(torch):
    a, b, c = leaf(torch, 1), leaf(torch, 2), leaf(torch, 3)
    found = []
    torch.autograd.graph.register_multi_grad_hook((a, b, c), found.append)
    (a * b).sum().backward(inputs=(a, b))
    return found


def nodes_of_their_own(torch):
    x = leaf(torch, 1, 2)
    cut = torch._C._functions.UndefinedGrad()(x)
    bad = torch._C._functions.DelayedError("Boom!", 1)(x)
    (cut.sum() + x.sum()).backward()
    names = [y.grad_fn.name().split("::")[-1] for y in (cut, bad)]
    return names, x.grad, attempt(lambda: bad.sum().backward())


def a_new_storage_ends_the_graph(torch):
    x = leaf(torch, 1, 2)
    out = x.clone()
    edge = torch.autograd.graph.get_gradient_edge(x)
    with torch.no_grad():
        x.set_(torch.ones(2))
    return attempt(lambda: torch.autograd.grad(out.sum(), x)), torch.autograd.grad(out.sum(), edge)


# -- what is kept -------------------------------------------------------------------------------------


def kept_tensors_are_the_tensors(torch):
    a = leaf(torch, 1, 2)
    b = a * a
    c = a * b
    return [c.grad_fn._saved_self is a, c.grad_fn._saved_other is b]


def kept_and_detached(torch):
    a = leaf(torch, 1).clone()
    b = a.sin()
    a.detach_()
    b.backward()


def hooks_on_wrong_things(torch):
    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    one, none = Keeps.apply(leaf(torch, 1)).grad_fn._raw_saved_tensors
    kind = torch._C._autograd.SavedTensor
    found = [isinstance(one, kind), isinstance(none, kind)]
    found += [attempt(lambda: none.register_hooks(abs, abs)), attempt(kind)]
    found.append(attempt(lambda: one.register_hooks(abs))[0])
    return found, attempt(lambda: one.register_hooks(1, 1))[0]


def retained_without_a_cycle(torch):
    y = leaf(torch, 1) * 2
    y.retain_grad()
    held = weakref.ref(y)
    gc.disable()
    del y
    gone = held() is None
    gc.enable()
    return gone


def hooks_where_no_gradient_comes(torch):
    x = torch.ones(2)
    x._backward_hooks = {"a": 1}
    x._backward_hooks["b"] = 2
    return x._backward_hooks


def numpy_in_no_grad(torch):
    with torch.no_grad():
        return leaf(torch, 1, 2).numpy().tolist()


def versions_of_resized(torch):
    x = torch.rand(1)
    return [(x.resize_(size), x._version)[1] for size in ((1, 2), (3,), (3,), (2,), (4,))]


def out_of_dual(torch):
    with torch.autograd.forward_ad.dual_level():
        x = torch.autograd.forward_ad.make_dual(torch.ones(2), torch.ones(2))
        return attempt(lambda: torch.add(x, 1, out=torch.ones(2)))


def more_kept_the_second_time(torch):
    again = []

    def grows(x):
        again.append(1)
        return x.sin().exp() if len(again) == 1 else x.sin().exp().sin()

    with torch.utils.checkpoint.set_checkpoint_early_stop(False):
        torch.utils.checkpoint.checkpoint(
            grows, leaf(torch, 1), use_reentrant=False
        ).sum().backward()


SCENARIOS = [x for x in list(globals().values()) if getattr(x, "__module__", "") == __name__]
SCENARIOS = [x for x in SCENARIOS if x not in (leaf, attempt) and not x.__name__.startswith("_")]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(scenario):
    assert outcome(scenario, ours) == outcome(scenario, real)
