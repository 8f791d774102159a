"""Nodes of the graph as programs see them, against torch: edges, what they keep, hooks, being called."""

import copy
import pickle

import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome


def leaf(torch, *values):
    return torch.tensor(list(map(float, values)), requires_grad=True)


def edges(torch):
    x, y = leaf(torch, 1, 2), leaf(torch, 3, 4)
    index = torch.tensor([0, 0])
    made = (x + y) * y, x + 5, x - 1, x * 2, x / 2, x**2, x.gather(0, index), x[index]
    made += x.masked_fill(index > 0, 1.0), torch.where(index > 0, x, y), x.view(2, 1)
    return [
        [(None if n is None else n.name(), i) for n, i in z.grad_fn.next_functions] for z in made
    ]


def accumulate_node(torch):
    x = leaf(torch, 1, 2)
    node = (x * 2).grad_fn.next_functions[0][0]
    node(torch.ones(2))
    return node.name(), str(type(node)), node.variable is x, node.next_functions, x.grad


def kept_values(torch):
    x, y = leaf(torch, 1, 2), leaf(torch, 3, 4)
    made = x.pow(2), x.mul(y), x.view(1, 2).sum(1), x.relu(), torch.cat([x, y], 0)
    nodes = [z.grad_fn for z in made]
    assert nodes[0]._saved_self is x and nodes[1]._saved_other is y
    kept = nodes[0]._saved_exponent, nodes[1]._saved_self, nodes[4]._saved_dim
    return kept, nodes[2]._saved_self_sym_sizes, nodes[3]._saved_result


def kept_inner_value(torch):
    x = leaf(torch, 1, 2)
    inner = x * 2
    kept = (inner**2).grad_fn._saved_self
    return kept, kept.requires_grad, kept.grad_fn is inner.grad_fn


def kept_after_it_was_freed(torch):
    x = leaf(torch, 1, 2)
    y = x.pow(2)
    y.sum().backward()
    return y.grad_fn._saved_self


def hooks_on_one_kept_value(torch):
    x = leaf(torch, 1, 2)
    y = x.pow(2)
    y.grad_fn._raw_saved_self.register_hooks(lambda t: t * 2, lambda t: t * 5)
    kept = y.grad_fn._saved_self
    y.sum().backward()
    return kept, x.grad


def hooks_on_one_kept_value_twice(torch):
    y = leaf(torch, 1).pow(2)  # torch crashes without it
    raw = y.grad_fn._raw_saved_self
    raw.register_hooks(lambda t: t, lambda t: t)
    raw.register_hooks(lambda t: t, lambda t: t)


def hooks_on_a_freed_value(torch):
    y = leaf(torch, 1).pow(2)
    raw = y.grad_fn._raw_saved_self
    y.backward()
    raw.register_hooks(lambda t: t, lambda t: t)


def hooks_on_what_a_function_keeps(torch):
    class Squared(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(torch, 1, 2)
    y = Squared.apply(x)
    (raw,) = y.grad_fn._raw_saved_tensors
    raw.register_hooks(lambda t: t, lambda t: t * 3)
    y.sum().backward()
    return x.grad


def pack_hook_that_writes(torch):
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
        leaf(torch, 1).clone().exp()


def numbers_of_nodes(torch):
    x = leaf(torch, 1, 2)
    y = x * 2
    z = y * 2
    (form,) = z.grad_fn._input_metadata
    apart = z.grad_fn._sequence_nr() - y.grad_fn._sequence_nr()
    z.grad_fn._set_sequence_nr(5)
    return apart, z.grad_fn._sequence_nr(), tuple(form.shape), str(form.dtype).split(".")[-1]


def called(torch):
    x = leaf(torch, 1, 2) * 3
    found = x.pow(2).grad_fn(torch.ones(2))
    return found, found.requires_grad


def called_with_too_many(torch):
    leaf(torch, 1).pow(2).grad_fn(torch.ones(1), torch.ones(1))


def hooks_of_nodes(torch):
    x, seen = leaf(torch, 1, 2), []
    y = x * 2
    y.grad_fn.register_prehook(lambda outs: (outs[0] * 3,))
    handle = y.grad_fn.register_hook(lambda ins, outs: seen.append((ins, outs)))
    y.grad_fn.register_hook(lambda ins, outs: (ins[0] * 5, None))
    y.sum().backward(retain_graph=True)
    handle.remove()
    y.sum().backward()
    return seen, x.grad


def prehook_that_returns_a_number(torch):
    y = leaf(torch, 1) * 2
    y.grad_fn.register_prehook(lambda outs: 3)
    y.backward()


def prehook_that_returns_too_many(torch):
    y = leaf(torch, 1) * 2
    y.grad_fn.register_prehook(lambda outs: (outs[0], outs[0]))
    y.backward()


def order_of_hooks_on_a_leaf(torch):
    x, seen = leaf(torch, 1), []
    node = torch.autograd.graph.get_gradient_edge(x).node
    x.register_post_accumulate_grad_hook(lambda p: seen.append("accumulated"))
    x.register_hook(lambda g: seen.append("tensor"))
    node.register_hook(lambda ins, outs: seen.append("node"))
    node.register_prehook(lambda outs: seen.append("before node"))
    x.sum().backward()
    return seen, len(x._backward_hooks), (x * 2)._backward_hooks


def kept_gradients_move_with_writes(torch):
    a = leaf(torch, 1, 2).clone()
    a.retain_grad()
    a.mul_(2)
    a.sum().backward()
    base = leaf(torch, 1).clone()
    view, other = base[:], base[:]
    view.retain_grad()
    other.retain_grad()
    view.mul_(2)
    (view + other).sum().backward()
    return a.grad, view.grad, other.grad, view.retains_grad


def a_gradient_edge_stands_for_its_tensor(torch):
    x = torch.ones((), requires_grad=True)
    edge = torch.autograd.graph.get_gradient_edge(x * 2)
    found = torch.autograd.grad(edge, x, grad_outputs=(torch.tensor(2.0),), retain_graph=True)
    torch.autograd.backward(edge)
    return found, x.grad


def grad_of_what_needs_none(torch):
    x = torch.ones(1)
    torch.autograd.grad(x**2, x)


def grad_by_nothing(torch):
    torch.autograd.grad(leaf(torch, 1) * 2, [])


def backward_into_what_needs_none(torch):
    leaf(torch, 1).backward(inputs=[torch.ones(1)])


def batched_gradients_of_another_shape(torch):
    x = torch.ones(2, 2, requires_grad=True)
    torch.autograd.grad(x**2, x, torch.ones(2, 2), is_grads_batched=True)


def checkpoint_that_is_asked_for_some_gradients(torch):
    run = torch.utils.checkpoint.checkpoint
    x = leaf(torch, 1)
    torch.autograd.grad(run(lambda a: a.exp(), x, use_reentrant=True), x)


def result_of_a_recording_op_into_out(torch):
    x = leaf(torch, 1)
    torch.add(x, x, out=torch.empty(1))


def versions_under_another_storage(torch):
    x = torch.ones(1).add_(1)
    z = torch.ones(1)
    x.data = z
    seen = x._version
    x.add_(1)
    with torch.autograd._unsafe_preserve_version_counter(x):
        x.add_(1)
    return seen, x._version, z


def type_of_gradients(torch):
    x = torch.ones(2, requires_grad=True)
    seen = [x.grad_dtype is torch.float32]
    x.grad_dtype = torch.float64
    (x * 2).sum().backward()
    seen += [x.grad.dtype is torch.float64, x.grad]
    x.grad_dtype = 3
    return seen


def hooks_do_not_go_into_copies(torch):
    x = leaf(torch, 1)
    x.register_hook(lambda g: g)
    x.sum().backward()
    twin = copy.deepcopy(x)
    return twin, twin.grad, pickle.loads(pickle.dumps(x.detach().requires_grad_()))


def switches(torch):
    with torch.autograd.set_multithreading_enabled(False):
        inside = torch.autograd.is_multithreading_enabled()
    with torch.autograd._force_original_view_tracking(True):
        replayed = torch.autograd.is_view_replay_enabled()
    return inside, torch.autograd.is_multithreading_enabled(), replayed


def mutation_contexts_do_not_nest(torch):
    allow = torch.autograd.graph.allow_mutation_on_saved_tensors
    with allow(), allow():
        pass


# Slopes where the formula has a pole: torch sets them.
def slopes_at_poles(torch):
    found = []
    for name, pairs in {
        "pow": ([0.0, 0.0, 0.0], [0.0, 2.0, 1.0]),
        "xlogy": ([0.0, 1.0], [0.0, 1.0]),
        "atan2": ([0.0, 1.0], [0.0, 0.0]),
    }.items():
        a, b = (leaf(torch, *one) for one in pairs)
        getattr(torch, name)(a, b).sum().backward()
        found += [a.grad[: 2 if name == "pow" else None], b.grad[-1:] + 0.0]
    x = leaf(torch, 1, 2, 2)
    x.median().backward()
    return found, x.grad


SCENARIOS = [x for x in list(globals().values()) if getattr(x, "__module__", "") == __name__]
SCENARIOS.remove(leaf)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(scenario):
    assert outcome(scenario, ours) == outcome(scenario, real)
