"""torch.fx: the same models traced by torch and by us give the same graphs, code and results."""

import copy
import gc
import math
import operator
import pickle

import numpy as np
import pytest
import torch

import torchcompat
from torchcompat import _overrides, fx

BOTH = pytest.mark.parametrize("lib", [torch, torchcompat], ids=["torch", "torchcompat"])


def leaf(x, k=1):
    return x * k


torch.fx.wrap("leaf")
fx.wrap("leaf")
torch.fx.wrap("len")
fx.wrap("len")


def operators(lib):
    def forward(x, y: float = 2.0, *args, **kwargs):
        a = -x + 1 - y
        b = 2 - a * 3 / x // 1 % 5
        c = (a @ b) ** 2
        d = (a > b) & ~(a < 0) | (b == 1) ^ (a != 2)
        e = abs(c)[..., None][1:3, :]
        c += 1
        return {"a": (c, [d, e]), "s": slice(e, None, 2)}, +x, math.pi * x

    return forward


def functions(lib):
    functional = lib.nn.functional

    def forward(x: lib.Tensor):
        a = lib.add(x, x, alpha=2)
        b = functional.relu(a)
        c = functional.gelu(b, approximate="tanh")
        d = functional.dropout(c, 0.5, False)
        e = functional.interpolate(d, scale_factor=2.0)
        f = functional.softmax(e, dim=-1)
        g = lib.flatten(functional.max_pool2d(f, 2), 1)
        h = functional.layer_norm(g, (4,))
        i = lib.cat([h, lib.swapaxes(h, 0, 1)], dim=1)
        j = lib.einsum("ij->ji", i)
        k = lib.split(j, 2)[0].to(lib.float32)
        m = lib.max(k, dim=1)
        n = functional.sigmoid(m.values) + lib.sigmoid(k) + lib.concat([k, k])
        return functional.linear(n, k), functional.pad(n, (1, 1)), lib.linalg.norm(n)

    return forward


def methods(lib):
    def forward(x):
        a = x.view(-1, 4).mean(dim=[0], keepdim=True)
        b, c = a.shape[0], a.size(1)
        p, q = x.chunk(2)
        r = leaf(p, k=3)
        return r.expand(b, c), q.T, lib.zeros(3) + x, lib.ones(2) * q, len(x), x.dtype

    return forward


def modules(lib):
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.scale = nn.Parameter(lib.ones(4))
            self.register_buffer("shift", lib.zeros(4))

        def forward(self, x):
            return self.linear(x) * self.scale + self.shift

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()
            self.layers = nn.Sequential(nn.ReLU(), Block(), self.block)

        def forward(self, x):
            y = self.block(x)
            if self.training:
                y = y + 1
            return self.layers(y), nn.functional.linear(x, self.block.linear.weight)

    return Model()


BUILDERS = [operators, functions, methods, modules]


@pytest.mark.parametrize("build", BUILDERS, ids=lambda b: b.__name__)
def test_graph_and_code_are_torchs(build):
    expected, found = torch.fx.symbolic_trace(build(torch)), fx.symbolic_trace(build(torchcompat))
    assert str(found.graph) == str(expected.graph)
    assert found.code == expected.code
    assert str(found) == str(expected)
    assert found.print_readable(False) == expected.print_readable(False)
    found.graph.lint()


def _loaded(lib, seed=0):
    """The model with the same parameters on both sides."""
    model, rng = modules(lib).eval(), np.random.default_rng(seed)
    for parameter in model.parameters():
        parameter.data = lib.tensor(rng.standard_normal(tuple(parameter.shape)).astype(np.float32))
    return model


X = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)


def _values(result):
    return [np.asarray(one.detach()) for one in result]


def _assert_as_torch(module, rtol=1e-5):
    expected = _values(_loaded(torch)(torch.tensor(X)))
    for found, value in zip(_values(module(torchcompat.tensor(X))), expected):
        np.testing.assert_allclose(found, value, rtol=rtol, atol=1e-5)


def test_a_traced_module_computes_the_same():
    traced = fx.symbolic_trace(_loaded(torchcompat))
    _assert_as_torch(traced)
    _assert_as_torch(torchcompat.compile(traced))
    _assert_as_torch(copy.deepcopy(traced))
    _assert_as_torch(fx.Interpreter(traced).run)
    _assert_as_torch(fx.Transformer(traced).transform())
    assert list(traced.state_dict()) == list(torch.fx.symbolic_trace(_loaded(torch)).state_dict())


def test_recompiling_reaches_a_compiled_call():
    traced = fx.symbolic_trace(_loaded(torchcompat))
    fast = torchcompat.compile(traced)
    before = fast(torchcompat.tensor(X))[0]
    node = traced.graph.output_node()
    with traced.graph.inserting_before(node):
        negated = traced.graph.call_function(torchcompat.neg, (node.args[0][0],))
    node.args = ((negated, node.args[0][1]),)
    traced.recompile()
    np.testing.assert_array_equal(fast(torchcompat.tensor(X))[0], -before)


def test_pickle():
    traced = fx.symbolic_trace(torchcompat.nn.Sequential(torchcompat.nn.Linear(4, 2)))
    again = pickle.loads(pickle.dumps(traced))
    assert again.code == traced.code
    np.testing.assert_array_equal(
        again(torchcompat.tensor(X)).detach(), traced(torchcompat.tensor(X)).detach()
    )


@BOTH
def test_concrete_arguments(lib):
    def forward(x, flag=True, scale=2.0):
        return x * scale if flag else x

    traced = lib.fx.symbolic_trace(forward, concrete_args={"flag": False, "scale": 3.0})
    assert "_assert" in traced.code and "flag_1 = True" in traced.code
    assert traced(lib.tensor(X), False, 3.0).shape == (3, 4)


@BOTH
@pytest.mark.parametrize(
    "forward, kind, text",
    [
        (lambda x: 1 if x else 2, "TraceError", "cannot be used as inputs to control flow"),
        (lambda x: list(x), "TraceError", "Proxy object cannot be iterated"),
        (lambda x: x.__len__(), "RuntimeError", "'len' is not supported in symbolic tracing"),
        (lambda x: x + object(), "NotImplementedError", "argument of type: <class 'object'>"),
        (lambda x: {x: 1}, "RuntimeError", "cannot contain a Node. Got key"),
    ],
    ids=["branch", "iterate", "len", "object", "key"],
)
def test_what_cannot_be_traced(lib, forward, kind, text):
    with pytest.raises(Exception) as caught:  # noqa: B017
        lib.fx.symbolic_trace(forward)
    assert type(caught.value).__name__ == kind
    assert text in str(caught.value)


@BOTH
def test_editing(lib):
    traced = lib.fx.symbolic_trace(lambda x, y: lib.relu(x + y) * 2)
    graph = traced.graph
    x, y, add, relu, mul, output = graph.nodes
    assert add.all_input_nodes == [x, y] and list(relu.users) == [mul]
    assert relu.next is mul and mul.prev is relu and x < output
    with pytest.raises(RuntimeError, match="Tried to erase Node relu but it still had 1 users"):
        graph.erase_node(relu)
    with graph.inserting_after(relu):
        tanh = graph.call_function(lib.tanh, (relu,))
    relu.replace_all_uses_with(tanh, lambda user: user is not tanh)
    mul.update_arg(1, 3)
    assert [n.name for n in graph.nodes] == ["x", "y", "add", "relu", "tanh", "mul", "output"]
    dead = graph.call_function(operator.neg, (x,))
    output.prepend(dead)
    assert graph.eliminate_dead_code() and len(graph.nodes) == 7
    graph.lint()
    traced.recompile()
    assert "mul = tanh * 3" in traced.code
    with pytest.raises(TypeError, match="object does not support mutation"):
        graph.output(([x],)).args[0][0].append(1)
    assert graph.find_nodes(op="call_function", target=lib.tanh) == [tanh]


@BOTH
def test_proxies_outside_a_trace_add_to_their_graph(lib):
    graph = lib.fx.Graph()
    x = lib.fx.Proxy(graph.placeholder("x"))
    graph.output((lib.flatten(lib.nn.functional.relu(x), 1) + 1).node)
    made = lib.fx.GraphModule(lib.nn.Module(), graph)
    assert "torch.flatten(relu, 1)" in made.code
    assert made(lib.ones(2, 3, 4)).shape == (2, 12)


def test_functions_look_for_proxies_only_while_there_are_any():
    gc.collect()
    code = torchcompat.flatten.__code__
    node = fx.Graph().placeholder("x")
    proxy = fx.Proxy(node)
    assert torchcompat.flatten.__code__ is not code
    assert torchcompat.flatten(torchcompat.ones(2, 2)).shape == (4,)
    del proxy
    assert torchcompat.flatten.__code__ is code
    assert _overrides._holders == 0


@BOTH
def test_replace_pattern(lib):
    def forward(x, y):
        a = lib.neg(x) + lib.relu(x)
        return lib.neg(y) + lib.relu(y) + a

    def pattern(v):
        return lib.neg(v) + lib.relu(v)

    def replacement(v):
        return lib.abs(v)

    traced = lib.fx.symbolic_trace(forward)
    matches = lib.fx.replace_pattern(traced, pattern, replacement)
    assert len(matches) == 2
    assert [n.name for n in traced.graph.nodes if n.op == "call_function"] == [
        "abs_1",
        "abs_2",
        "add_2",
    ]
    out = traced(lib.tensor([-1.0]), lib.tensor([2.0]))
    assert out.tolist() == [3.0]


@BOTH
def test_shape_prop(lib):
    passes = pytest.importorskip(f"{lib.__name__}.fx.passes.shape_prop")
    traced = lib.fx.symbolic_trace(lib.nn.Sequential(lib.nn.Linear(4, 2), lib.nn.ReLU()))
    passes.ShapeProp(traced).propagate(lib.tensor(X))
    noted = [n.meta["tensor_meta"] for n in traced.graph.nodes if "tensor_meta" in n.meta]
    assert [tuple(one.shape) for one in noted] == [(3, 4), (3, 2), (3, 2), (3, 2)]
    assert noted[0].dtype is lib.float32 and noted[0].stride == (4, 1)


def test_fuse():
    from torchcompat.fx.experimental.optimization import fuse

    nn = torchcompat.nn
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    model[1].running_mean.uniform_()
    fused = fuse(model)
    assert [type(m).__name__ for m in fused.children()] == ["Conv2d", "ReLU"]
    x = torchcompat.randn(1, 3, 6, 6)
    np.testing.assert_allclose(fused(x).detach(), model(x).detach(), rtol=1e-5, atol=1e-6)


@BOTH
def test_a_tracer_of_ones_own(lib):
    class Own(lib.fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return module_qualified_name == "layers.1" or super().is_leaf_module(
                m, module_qualified_name
            )

        def iter(self, obj):
            return iter([obj[0], obj[1]])

    model = modules(lib)
    tracer = Own()
    graph = tracer.trace(model)
    assert "layers_1" in [n.name for n in graph.nodes]
    assert tracer.path_of_module(model.block.linear) == "block.linear"
    stacks = [n.meta["nn_module_stack"] for n in graph.nodes if "nn_module_stack" in n.meta]
    assert list(stacks[0]) == ["block", "block.linear"]
    again = Own().trace(lambda x: [one + 1 for one in x])
    assert [n.name for n in again.nodes] == ["x", "getitem", "getitem_1", "add", "add_1", "output"]


@BOTH
def test_stack_traces(lib):
    class Model(lib.nn.Module):
        def forward(self, x):
            return x + 1  # here

    tracer = lib.fx.Tracer()
    tracer.record_stack_traces = True
    model = Model()
    graph = tracer.trace(model)
    add = graph.find_nodes(op="call_function", target=operator.add)[0]
    assert add.stack_trace.partition("\n")[0].endswith(", in forward")
    assert "return x + 1  # here" in add.stack_trace
    assert "# File: " in lib.fx.GraphModule(model, graph).print_readable(False)


@BOTH
def test_interpreter_says_where_it_failed(lib):
    traced = lib.fx.symbolic_trace(lambda x: lib.matmul(x, x))
    with pytest.raises(RuntimeError, match="While executing %matmul"):
        lib.fx.Interpreter(traced).run(lib.ones(2, 3))
    with pytest.raises(RuntimeError, match="for parameter x, but one was not passed in!"):
        lib.fx.Interpreter(traced).run()
