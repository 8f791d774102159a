"""`torch.nn.Module`: attributes, registration, traversal, conversion, printing."""

from __future__ import annotations

import numpy as np
import torch as real_torch
from _both import attempt, both
from _toys import toys

import torchcompat

HOMES = ("_parameters", "_buffers", "_modules")


def members(module):
    return [dict(getattr(module, home)) for home in HOMES] + [module._non_persistent_buffers_set]


# -- attributes -------------------------------------------------------------------------------


@both
def test_before_init(torch):
    nn = torch.nn

    def build(act):
        class Early(nn.Module):
            def __init__(self):
                act(self)

        return Early()

    def parameter(m):
        m.a = nn.Parameter(torch.ones(1))

    def module(m):
        m.a = nn.Identity() if hasattr(nn, "Identity") else nn.ModuleList()

    def buffer(m):
        m.a = nn.Buffer(torch.ones(1))

    def plain(m):
        m.a = 1
        m.training = False
        nn.Module.__init__(m)

    for act in (
        parameter,
        module,
        buffer,
        plain,
        lambda m: m.register_buffer("a", torch.ones(1)),
        lambda m: m.register_parameter("a", nn.Parameter(torch.ones(1))),
        lambda m: m.add_module("a", nn.Module()),
        lambda m: m.b,
    ):
        yield attempt(build, act)


@both
def test_constructor_arguments(torch):
    class Sub(torch.nn.Module):
        pass

    for kind in (torch.nn.Module, Sub):
        yield attempt(kind, 3)
        yield attempt(kind, 3, 4)
        yield attempt(kind, a=3)
        yield attempt(kind, a=3, b=4)

    class Mixin:
        def __init__(self, *args, **kwargs):
            self.seen = args, kwargs

    class Cooperative(torch.nn.Module):
        call_super_init = True

    class Both(Cooperative, Mixin):
        pass

    yield Both(1, a=2).seen


@both
def test_setattr(torch):
    nn, T = torch.nn, toys(torch)
    values = {
        "int": lambda: 3,
        "None": lambda: None,
        "tensor": lambda: torch.ones(2),
        "double": lambda: torch.ones(2).double(),
        "parameter": lambda: nn.Parameter(torch.ones(2)),
        "buffer": lambda: nn.Buffer(torch.ones(2)),
        "transient": lambda: nn.Buffer(torch.ones(2), persistent=False),
        "module": lambda: T.Plus(),
        "array": lambda: np.ones(2),
        "type": lambda: int,
    }
    for name in ("weight", "count", "scratch", "child", "size", "fresh"):
        for value in values.values():
            module = T.Affine()
            module.child = T.Plus()
            yield attempt(setattr, module, name, value())
            yield members(module)
            yield module.__dict__.get(name)
            yield list(module.state_dict())


@both
def test_registration(torch):
    nn, T = torch.nn, toys(torch)
    computed = nn.Parameter(torch.ones(1)) * 2
    names = (3, "a.b", "", "weight", "count", "child", "training", "forward", "size", "new")
    values = (None, 3, torch.ones(1), nn.Parameter(torch.ones(1)), computed, T.Plus())
    for method in ("register_buffer", "register_parameter", "add_module", "register_module"):
        for name in names:
            for value in values:
                module = T.Affine()
                module.child = T.Plus()
                yield attempt(getattr(module, method), name, value)
                yield members(module)


@both
def test_buffers_kept_out_of_the_state_dict(torch):
    module = torch.nn.Module()
    module.register_buffer("a", torch.ones(1), persistent=False)
    yield members(module)
    module.register_buffer("a", torch.ones(1))
    yield members(module)
    module.register_buffer("a", torch.ones(1), False)
    module.a = torch.zeros(2)
    yield members(module), list(module.state_dict())
    del module.a
    yield members(module)
    module.b = torch.nn.Buffer(torch.ones(1), persistent=False)
    module.b = torch.nn.Buffer(torch.ones(3))
    yield members(module), list(module.state_dict())
    module.b = None
    yield members(module), list(module.state_dict())


@both
def test_buffers_go_through_an_overridden_method(torch):
    class Two(torch.nn.Module):
        def register_buffer(self, name, value):
            super().register_buffer(name, value * 2, True)

    class Named(torch.nn.Module):
        def register_buffer(self, name, value, persistent=True):
            super().register_buffer(name, value * 3, persistent=persistent)

    for kind in (Two, Named, torch.nn.Module):
        for persistent in (True, False):
            module, buffer = kind(), torch.nn.Buffer(torch.ones(2), persistent=persistent)
            yield attempt(setattr, module, "b", buffer)
            yield members(module), list(module.state_dict())


@both
def test_getattr_and_delattr(torch):
    T = toys(torch)
    module = T.Net()
    yield attempt(lambda: module.missing)
    yield attempt(lambda: module(1, 2, 3))
    yield attempt(lambda: torch.nn.Module()(1))
    yield attempt(delattr, module, "missing")
    for name in ("weight", "count", "scratch", "size", "training"):
        yield attempt(delattr, module.stem, name)
        yield members(module.stem)
        yield attempt(getattr, module.stem, name)
    yield attempt(delattr, module, "body")
    yield list(module._modules)

    class Property(torch.nn.Module):
        shared = 5

        @property
        def broken(self):
            return self.missing

        @property
        def stored(self):
            return self.value

        @stored.setter
        def stored(self, value):
            self.value = value * 2

    module = Property()
    yield attempt(lambda: module.broken)
    module.stored = 4
    yield module.stored, module.shared
    yield attempt(setattr, module, "shared", torch.nn.Parameter(torch.ones(1)))
    module.shared = 6
    yield module.shared, Property.shared


@both
def test_dir(torch):
    T = toys(torch)
    module = T.Affine()
    module._modules["1"] = T.Plus()
    module._modules["a-b"] = T.Plus()
    module.child = T.Plus()
    extra = {"clock", "_structure_version", "_clock", "_tc_version"}
    names = [name for name in dir(module) if not name.startswith("_") and name not in extra]
    yield names
    # It belongs to autograd's firing of the older backward hooks, which is not here yet.
    # The other belongs to torch's compiler, once something has loaded that.
    theirs = set(dir(real_torch.nn.Module)) - {
        "_maybe_warn_non_full_backward_hook",
        "___needs_generation_tag_patch",
    }
    yield sorted(theirs - set(dir(module)))


# -- traversal --------------------------------------------------------------------------------


def shared_tree(torch):
    """A tree with a module met twice, a parameter met under three names, and None members."""
    T = toys(torch)
    root = torch.nn.Module()
    root.first = T.Affine(2, 1.0)
    root.nested = torch.nn.Sequential(T.Plus(), root.first, torch.nn.Sequential(T.Affine(1)))
    root.again = root.first
    root.tied = root.first.weight
    root.first.alias = root.first.bias
    root.register_parameter("none", None)
    root.register_module("empty", None)
    root.register_buffer("nothing", None)
    root.register_buffer("own", torch.ones(2))
    root.nested[2].register_buffer("same", root.own)
    return root


@both
def test_traversal(torch):
    root = shared_tree(torch)
    yield [name for name, _ in root.named_children()]
    yield len(list(root.children())), len(list(root.modules()))
    yield len(list(root.modules(remove_duplicate=False)))
    for prefix in ("", "p"):
        for duplicates in (True, False):
            yield [n for n, _ in root.named_modules(prefix=prefix, remove_duplicate=duplicates)]
            for recurse in (True, False):
                named = prefix, recurse, duplicates
                yield [(n, p) for n, p in root.named_parameters(*named)]
                yield [(n, b) for n, b in root.named_buffers(*named)]
    for recurse in (True, False):
        yield list(root.parameters(recurse)), list(root.buffers(recurse))
    memo = {root.first}
    yield [name for name, _ in root.named_modules(memo)]
    yield len(memo)
    yield list(root._named_members(lambda m: m._buffers.items(), "q", False))
    yield [type(x).__name__ for x in (root.parameters(), root.named_modules(), root.children())]
    yield list(root.state_dict())


@both
def test_traversal_goes_through_overrides(torch):
    T = toys(torch)

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = T.Affine()

        def named_modules(self, memo=None, prefix="", remove_duplicate=True):
            yield prefix + "!", self

    root = torch.nn.Sequential(Hidden(), T.Plus())
    yield [name for name, _ in root.named_modules()], [name for name, _ in root.named_parameters()]


@both
def test_dotted_access(torch):
    T = toys(torch)
    paths = ("", "stem", "body.0", "body.9", "stem.weight", "stem.size", "stem.size.real", "zz")
    paths += ("stem.count", "stem.scratch", "body.0.bias", "body.zz", "count", "body.forward")
    for path in paths:
        for getter in ("get_submodule", "get_parameter", "get_buffer"):
            yield attempt(getattr(T.Net(), getter), path)
    for path in (*paths, "body.new", "body.3", "zz.zz", "stem.forward", "new"):
        for strict in (False, True):
            for value in (T.Plus(), 3, None):
                net = T.Net()
                yield attempt(net.set_submodule, path, value, strict)
                yield net


# -- modes and flags ----------------------------------------------------------------------------


@both
def test_train_and_freeze(torch):
    net = toys(torch).Net()
    yield net.eval() is net, [m.training for m in net.modules()]
    net.body.train()
    yield [m.training for m in net.modules()]
    for mode in (3, None, "x"):
        yield attempt(net.train, mode)
    yield net.stem.requires_grad_(False) is net.stem, [p.requires_grad for p in net.parameters()]
    net.requires_grad_()
    yield [p.requires_grad for p in net.parameters()]


@both
def test_apply_order(torch):
    net, seen = toys(torch).Net(), []
    yield net.apply(lambda m: seen.append(type(m).__name__)) is net, seen
    yield attempt(net.apply, 3)


@both
def test_zero_grad(torch):
    module = toys(torch).Affine()
    module.weight.grad = grad = torch.ones(2, requires_grad=True)
    module.zero_grad(set_to_none=False)
    yield module.weight.grad, module.bias.grad, module.weight.grad is grad
    module.weight.grad = torch.ones(2, requires_grad=True) * 2
    module.zero_grad(set_to_none=False)
    yield module.weight.grad, module.weight.grad.grad_fn
    module.zero_grad()
    yield module.weight.grad


# -- conversion ---------------------------------------------------------------------------------


def kinds(module):
    return [(name, value.dtype, value.device.type) for name, value in module.state_dict().items()]


@both
def test_casts(torch):
    T = toys(torch)
    for cast in ("float", "double", "half", "bfloat16", "cpu"):
        net = T.Net()
        net.register_buffer("steps", torch.zeros(1, dtype=torch.int64))
        weight = net.stem.weight
        yield getattr(net, cast)() is net, kinds(net), net.stem.weight is weight
        yield weight.requires_grad, weight.is_leaf
    for target in (torch.half, torch.double, "torch.DoubleTensor"):
        yield kinds(T.Net().type(target))
    yield attempt(T.Net().type, torch.int32)


@both
def test_to(torch):
    T = toys(torch)
    like, whole = torch.ones(1, dtype=torch.float64), torch.ones(1, dtype=torch.int64)
    calls = [
        ((), {}),
        ((torch.float64,), {}),
        ((torch.float64, True), {}),
        (("cpu",), {}),
        ((torch.device("cpu"), torch.half), {}),
        (("cpu", torch.half, True), {}),
        ((None, torch.half), {}),
        ((None,), {}),
        ((like,), {}),
        ((like, True), {}),
        ((whole,), {}),
        ((torch.int32,), {}),
        ((torch.float64, torch.float32), {}),
        (("cpu",), {"non_blocking": True}),
        ((), {"device": "cpu", "dtype": torch.bfloat16}),
        ((), {"device": None}),
        ((), {"dtype": torch.int64}),
        ((), {"tensor": like}),
        ((), {"foo": 3}),
        ((), {"copy": True}),
        (("cpu",), {"copy": False}),
        ((torch.half, False, True), {}),
        (("meta",), {}),
        (("meta", torch.half), {}),
    ]
    for args, kwargs in calls:
        net = T.Net()
        net.register_buffer("steps", torch.zeros(1, dtype=torch.int64))
        yield args, kwargs, attempt(net.to, *args, **kwargs)
        yield kinds(net)
    for args, kwargs in (*calls[1:10], ((), {"memory_format": torch.channels_last})):
        parsed, _ = attempt(torch._C._nn._parse_to, *args, **kwargs)
        yield [str(x) for x in parsed]


@both
def test_to_keeps_objects_ties_and_gradients(torch):
    module = toys(torch).Affine()
    module.tied = module.weight
    module.weight.grad = torch.ones(2)
    weight, grad, count = module.weight, module.weight.grad, module.count
    module.double()
    yield module.weight is weight, module.weight.grad is grad, module.count is count
    yield module.tied is module.weight, module.weight.grad, module.count
    with torch.no_grad():
        module._apply(lambda t: t * 2)
    yield module.weight, module.tied is weight, module.scratch


@both
def test_complex_modules(torch):
    module = toys(torch).Affine()
    yield attempt(module.to, torch.complex64)
    yield kinds(module)
    module.double()
    yield kinds(module)
    yield attempt(module.to, torch.complex128)
    yield kinds(module)
    yield attempt(module, torch.ones(2) * 1j)
    yield attempt(module.to, torch.float32)
    yield kinds(module)


@both
def test_meta(torch):
    T = toys(torch)
    net = T.Net().to("meta")
    yield kinds(net), net.stem.weight
    yield attempt(net.to, "cpu"), attempt(net.cpu)
    yield net.to_empty(device="cpu") is net, [p.device.type for p in net.parameters()]
    with torch.device("meta"):
        net = T.Net()
    yield kinds(net)
    net.to_empty(device="cpu", recurse=False)
    yield kinds(net)
    yield attempt(net.to_empty)
    yield attempt(net.to_empty, device=None)


def test_share_memory_returns_the_module():
    module = toys(torchcompat).Affine()
    assert module.share_memory() is module


# -- printing -----------------------------------------------------------------------------------


@both
def test_repr(torch):
    class Extra(torch.nn.Module):
        def __init__(self, text):
            super().__init__()
            self.text = text

        def extra_repr(self):
            return self.text

    for text in ("", "one=1", "one=1\ntwo=2"):
        yield repr(Extra(text))
        outer = Extra(text)
        outer.inner = Extra(text)
        outer.none = None
        outer.add_module("nothing", None)
        outer.deep = torch.nn.Sequential(Extra("x"), torch.nn.Sequential(), Extra("y\nz"))
        yield repr(outer)
    yield repr(torch.nn.Module()), Extra("")._get_name(), str(Extra("s"))
