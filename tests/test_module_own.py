"""Modules, the part that is ours: copies, versions, arrays in and out, compile."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import jax
import numpy as np
import pytest
from _toys import toys
from jax import numpy as jnp

import torchcompat
from torchcompat._tensor._state import epoch

nn = torchcompat.nn

# -- copies -------------------------------------------------------------------------------------


class Saved(nn.Module):
    """Picklable: it stands at the top of a module."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Module())
        self.weight = nn.Parameter(torchcompat.ones(2))
        self.tied = self.weight
        self.frozen = nn.Parameter(torchcompat.ones(1), requires_grad=False)
        self.register_buffer("count", torchcompat.zeros(1), persistent=False)
        self.register_forward_hook(print)
        self.me = [self]

    def forward(self, x):
        return x * self.weight


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_stand_alone(clone):
    module = Saved()
    version = module._structure_version
    twin = clone(module)
    assert module._structure_version == version
    assert list(twin.state_dict()) == list(module.state_dict())
    assert twin.tied is twin.weight and twin.me[0] is twin
    assert type(twin.weight) is nn.Parameter and not twin.frozen.requires_grad
    assert list(twin._forward_hooks.values()) == [print]
    assert twin._non_persistent_buffers_set == {"count"}
    with torchcompat.no_grad():
        twin.weight.mul_(5)
    assert module.weight.tolist() == [1, 1]
    version, other = twin._structure_version, module._structure_version
    twin._modules["new"] = nn.Module()
    assert twin._structure_version > version and module._structure_version == other
    assert "new" not in module._modules


def test_shallow_copy_shares_members():
    module = Saved()
    twin = copy.copy(module)
    twin.add_module("new", nn.Module())
    assert module.new is twin.new
    replica = module._replicate_for_data_parallel()
    assert replica._parameters == {} and replica._is_replica
    replica.count = torchcompat.ones(3)
    replica.inner = None
    assert module.count.shape == (1,) and module.inner is not None


def test_setstate_completes_an_old_or_foreign_state():
    module = nn.Module.__new__(nn.Module)
    module.__setstate__({"_modules": OrderedDict(a=nn.Module()), "_parameters": {}, "x": 1})
    assert module.training and list(module.named_children())[0][0] == "a"
    version = module._structure_version
    module._modules["b"] = None
    assert module._structure_version > version
    assert module(1) if hasattr(type(module), "run") else repr(module)


def test_modules_are_collected():
    gc.collect()
    module = Saved()
    module.register_load_state_dict_pre_hook(lambda *args: None)
    dead = weakref.ref(module)
    del module
    gc.collect()
    assert dead() is None


# -- structure version --------------------------------------------------------------------------

CHANGES = {
    "attribute": lambda m: setattr(m, "size", 5),
    "new attribute": lambda m: setattr(m, "fresh", 5),
    "delete attribute": lambda m: delattr(m, "size"),
    "parameter": lambda m: setattr(m, "weight", nn.Parameter(torchcompat.ones(1))),
    "buffer": lambda m: setattr(m, "count", torchcompat.ones(1)),
    "module": lambda m: setattr(m, "child", nn.Module()),
    "delete parameter": lambda m: delattr(m, "weight"),
    "train": lambda m: m.train(not m.training),
    "requires_grad_": lambda m: m.requires_grad_(False),
    "_modules[...]": lambda m: m._modules.__setitem__("k", nn.Module()),
    "_parameters.pop": lambda m: m._parameters.pop("weight"),
    "_parameters.clear": lambda m: m._parameters.clear(),
    "_buffers.update": lambda m: m._buffers.update(count=torchcompat.ones(1)),
    "_buffers |=": lambda m: m._buffers.__ior__({"count": torchcompat.ones(1)}),
    "_modules.popitem": lambda m: (m._modules.update(k=nn.Module()), m._modules.popitem()),
    "_modules.setdefault": lambda m: m._modules.setdefault("k", nn.Module()),
    "assign _modules": lambda m: setattr(m, "_modules", {}),
    "into assigned": lambda m: (setattr(m, "_modules", {}), m._modules.update(k=None)),
    "hook": lambda m: m.register_forward_hook(print),
    "pre-hook": lambda m: m.register_forward_pre_hook(print),
    "remove hook": lambda m: m.register_forward_hook(print).remove(),
    "backward hook": lambda m: m.register_full_backward_hook(print),
    "half": lambda m: m.half(),
    "hooks moved": lambda m: m._forward_hooks.update({1: print}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_advance_version_and_epoch(change):
    module = toys(torchcompat).Affine()
    version, moment = module._structure_version, epoch.value
    change(module)
    assert epoch.value > moment
    if change is not CHANGES["half"] or module.count.dtype is torchcompat.half:
        assert module._structure_version > version


def test_reading_and_same_values_advance_nothing():
    net = toys(torchcompat).Net()
    net(torchcompat.ones(2))
    moment = epoch.value
    net.stem = net.stem
    net.stem.size = net.stem.size
    net.stem.weight = net.stem.weight
    net.body._modules["0"] = net.body[0]
    net.train()
    net(torchcompat.ones(2))
    list(net.named_parameters())
    net.state_dict()
    repr(net)
    assert epoch.value == moment


def test_tracked_dictionaries_are_dictionaries():
    module = toys(torchcompat).Affine()
    assert isinstance(module._parameters, dict) and isinstance(module._forward_hooks, OrderedDict)
    assert module._modules == {} and module._forward_hooks == OrderedDict()
    assert repr(module._modules) == "{}" and repr(module._forward_hooks) == "OrderedDict()"
    assert module._parameters.copy() == dict(module._parameters)
    hooks = module._forward_hooks.copy()
    hooks[1] = print
    assert not module._forward_hooks
    version = module._structure_version
    module._parameters.copy().clear()
    assert module._structure_version == version


# -- arrays in, arrays out ----------------------------------------------------------------------


class Everything(nn.Module):
    """Notes what its forward is given and returns it in many containers."""

    def forward(self, x, *more, **named):
        self.given = x, more, named
        return {"x": x, "list": [x, 3, None], "tuple": (x, "s"), "more": more, "named": named}


def test_arrays_in_arrays_out():
    module, array = Everything(), jnp.ones(2)
    out = module(array, [array, 1], key={"a": array})
    x, more, named = module.given
    assert isinstance(x, torchcompat.Tensor) and isinstance(more[0][0], torchcompat.Tensor)
    assert isinstance(named["key"]["a"], torchcompat.Tensor)
    for leaf in (out["x"], out["list"][0], out["tuple"][0], out["more"][0][0]):
        assert isinstance(leaf, jax.Array)
    assert isinstance(out["named"]["key"]["a"], jax.Array) and out["list"][1:] == [3, None]
    assert isinstance(module(np.ones(2))["x"], jax.Array)


@pytest.mark.parametrize("where", ["first", "second", "keyword", "nested"])
def test_one_tensor_makes_tensors(where):
    module, array, tensor = Everything(), jnp.ones(2), torchcompat.ones(2)
    out = {
        "first": lambda: module(tensor, array),
        "second": lambda: module(array, tensor),
        "keyword": lambda: module(array, key=tensor),
        "nested": lambda: module([array, {"a": tensor}]),
    }[where]()
    leaves = jax.tree.leaves(out, is_leaf=lambda x: isinstance(x, torchcompat.Tensor))
    assert all(isinstance(x, (torchcompat.Tensor, int, str)) for x in leaves)
    assert any(isinstance(x, torchcompat.Tensor) for x in leaves)


def test_no_array_at_all_gives_tensors():
    class Make(nn.Module):
        def forward(self, n, options=None):
            return torchcompat.ones(n)

    assert isinstance(Make()(2), torchcompat.Tensor)
    assert isinstance(Make()(2, options={"a": [1]}), torchcompat.Tensor)


def test_hooks_see_tensors_when_called_with_arrays():
    module, seen = Everything(), []
    module.register_forward_pre_hook(lambda m, args: seen.append(type(args[0])))
    module.register_forward_hook(lambda m, args, out: seen.append(type(out["x"])))
    module(jnp.ones(1))
    assert seen == [torchcompat.Tensor] * 2


def test_tracers_pass_through():
    module = toys(torchcompat).Net()
    out = jax.jit(lambda x: module(x))(jnp.ones(2))
    assert isinstance(out, jax.Array)
    np.testing.assert_allclose(out, module(jnp.ones(2)), rtol=1e-6)


# -- compile ------------------------------------------------------------------------------------


def test_compile_method_runs_compiled_and_is_not_copied():
    module = toys(torchcompat).Affine()
    module.compile()
    assert module._compiled_call_impl is not None
    out = module(torchcompat.ones(2))
    assert out.tolist() == [1.0, 2.0]
    assert copy.deepcopy(module)._compiled_call_impl is None
