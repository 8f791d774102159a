"""Saving and loading: `state_dict`, `load_state_dict`, their hooks, extra state and errors."""

from __future__ import annotations

import copy
from collections import OrderedDict

import jax
import numpy as np
import pytest
from _both import attempt, both
from _toys import toys
from jax import numpy as jnp

import torchcompat

nn = torchcompat.nn


def filled(torch, module, start=10.0):
    """The module's state_dict with other values."""
    state = module.state_dict()
    for number, (key, value) in enumerate(list(state.items())):
        state[key] = torch.ones(tuple(value.shape), dtype=value.dtype) * (start + number)
    return state


# -- saving -------------------------------------------------------------------------------------


@both
def test_state_dict(torch):
    net = toys(torch).Net()
    state = net.state_dict()
    yield state, state._metadata, type(state)
    yield net.state_dict(prefix="p."), net.body.state_dict(prefix="q.")._metadata
    yield [type(v) for v in net.state_dict(keep_vars=True).values()]
    kept = net.state_dict(keep_vars=True)
    yield kept["stem.weight"] is net.stem.weight, kept["stem.count"] is net.stem.count
    yield state["stem.weight"].requires_grad, state["stem.count"] is net.stem.count
    given = {"old": 1}
    yield net.stem.state_dict(destination=given) is given, given, hasattr(given, "_metadata")
    ordered = OrderedDict()
    yield net.stem.state_dict(destination=ordered) is ordered, hasattr(ordered, "_metadata")
    yield attempt(net.stem.state_dict, {}, "x.", True)
    yield attempt(net.stem.state_dict, {})
    yield attempt(net.stem.state_dict, None, "x.")
    yield attempt(net.state_dict, foo=3)


@both
def test_a_state_dict_shares_storage(torch):
    module = toys(torch).Affine()
    state = module.state_dict()
    with torch.no_grad():
        module.weight.mul_(3)
        module.count.add_(1)
    yield state
    state["bias"].add_(7)
    yield module.bias


@both
def test_versions_in_the_metadata(torch):
    class Versioned(toys(torch).Affine):
        _version = 3

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            seen.append((prefix, dict(local_metadata)))
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    seen = []
    net = torch.nn.Sequential(Versioned())
    state = net.state_dict()
    yield state._metadata
    net.load_state_dict(state)
    net.load_state_dict(dict(state))
    net.load_state_dict(state, assign=True)
    yield seen


# -- loading ------------------------------------------------------------------------------------


@both
def test_load(torch):
    T = toys(torch)
    net, other = T.Net(), T.Net()
    weight, count = net.stem.weight, net.stem.count
    given = filled(torch, other)
    result = net.load_state_dict(given)
    yield result, result.missing_keys, result.unexpected_keys, type(result).__name__
    yield net.state_dict(), net.stem.weight is weight, net.stem.count is count
    yield weight.requires_grad, net.stem.scratch
    with torch.no_grad():
        net.stem.weight.add_(1)
    yield given["stem.weight"]
    yield net.load_state_dict(OrderedDict(stem=1) and given) == ([], [])


def damaged(torch, kind):
    """A module and a state_dict that does not fit it."""
    net = toys(torch).Net()
    state = filled(torch, net)
    if "missing" in kind:
        del state["stem.bias"], state["head.weight"]
    if "unexpected" in kind:
        state["zz"] = state["stem.weight.more"] = state["stem"] = torch.ones(1)
        state["stem.scratch"] = state["body.7.x"] = state["count.x"] = torch.ones(1)
    if "size" in kind:
        state["stem.weight"] = torch.ones(3)
        state["head.count"] = torch.ones(())
        state["body.0.bias"] = torch.ones(2, 2)
    if "type" in kind:
        state["body.2.weight"] = 3.5
        state["body.2.bias"] = None
        state["body.0.count"] = [1.0]
    return net, state


@pytest.mark.parametrize(
    "kind",
    ["missing", "unexpected", "size", "type", "missing unexpected size type", "unexpected type"],
)
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("assign", [True, False])
def test_load_errors(kind, strict, assign):
    @both
    def scenario(torch):
        net, state = damaged(torch, kind)
        yield attempt(net.load_state_dict, state, strict=strict, assign=assign)
        yield attempt(net.load_state_dict, dict(state), strict, assign)

    scenario()


@both
def test_load_refuses_other_things(torch):
    net = toys(torch).Net()
    for given in (3, [("a", 1)], None, "x", net):
        yield attempt(net.load_state_dict, given)
    yield attempt(net.load_state_dict, {3: torch.ones(1)})


@both
def test_load_keeps_dtype_and_device_unless_assigned(torch):
    T = toys(torch)
    for assign in (False, True):
        net = T.Net()
        net.stem.weight.requires_grad_(False)
        weight, count = net.stem.weight, net.stem.count
        state = {key: value.double() for key, value in filled(torch, net).items()}
        yield net.load_state_dict(state, assign=assign)
        yield net.state_dict(), [p.requires_grad for p in net.parameters()]
        yield net.stem.weight is weight, net.stem.count is count
        yield [type(p) for p in net.parameters()], net.stem.count is state["stem.count"]


@both
def test_assign_takes_parameters_as_they_are(torch):
    net = toys(torch).Net()
    net.stem.bias.requires_grad_(False)
    state = dict(filled(torch, net))
    for key in ("stem.weight", "stem.bias", "stem.count"):
        state[key] = torch.nn.Parameter(state[key])
    net.load_state_dict(state, assign=True)
    yield net.stem.weight is state["stem.weight"], net.stem.bias is state["stem.bias"]
    yield net.stem.weight.requires_grad, net.stem.bias.requires_grad
    yield list(net.stem._parameters), list(net.stem._buffers)


@both
def test_tied_parameters(torch):
    net = toys(torch).Net()
    net.head.weight = net.stem.weight
    state = filled(torch, net)
    net.load_state_dict(state)
    yield net.head.weight is net.stem.weight, net.stem.weight
    net.load_state_dict(state, assign=True)
    yield net.head.weight is net.stem.weight, net.stem.weight, net.head.weight


@both
def test_scalar_parameters_take_one_element(torch):
    module = torch.nn.Module()
    module.p = torch.nn.Parameter(torch.tensor(2.0))
    yield attempt(module.load_state_dict, {"p": torch.ones(1)}), module.p
    yield attempt(module.load_state_dict, {"p": torch.ones(2, 1)})


@both
def test_load_and_meta(torch):
    T = toys(torch)
    net, plain = T.Affine().to("meta"), filled(torch, T.Affine())
    yield attempt(net.load_state_dict, plain)
    yield attempt(net.load_state_dict, plain, assign=True), net.state_dict()
    net = T.Affine()
    yield attempt(net.load_state_dict, T.Affine().to("meta").state_dict())
    yield net.state_dict()
    with torch.device("meta"):
        layer = torch.nn.Linear(3, 5)
    state = layer.state_dict()
    state["weight"] = torch.zeros(5, 3)
    yield attempt(layer.load_state_dict, state), layer.weight.device.type


# -- what is ours -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [np.asarray, jnp.asarray, torchcompat.tensor], ids=["numpy", "jax", "tensor"]
)
def test_load_takes_arrays(make):
    module = toys(torchcompat).Affine()
    values = {"weight": [5.0, 6.0], "bias": [7.0, 8.0], "count": [9.0]}
    given = {key: make(value) for key, value in values.items()}
    for assign in (False, True):
        assert not module.load_state_dict(given, assign=assign).missing_keys
        assert {k: v.tolist() for k, v in module.state_dict().items()} == values
        assert type(module.weight) is nn.Parameter and type(module.count) is torchcompat.Tensor


def unchanged(net, act):
    """Runs `act`, which must raise, and checks that it left every member as it was."""
    names = "_parameters", "_buffers", "_modules"
    before = [(m, [list(getattr(m, n).items()) for n in names]) for m in net.modules()]
    values = {k: (t, t._cell.value, t.dtype, t._version) for k, t in net.named_parameters()}
    values |= {k: (t, t._cell.value, t.dtype, t._version) for k, t in net.named_buffers()}
    with pytest.raises(Exception) as caught:  # noqa: PT011
        act()
    for module, homes in before:
        for name, items in zip(names, homes):
            now = list(getattr(module, name).items())
            assert [key for key, _ in now] == [key for key, _ in items]
            assert all(a is b for (_, a), (_, b) in zip(now, items))
    for tensor, value, dtype, version in values.values():
        assert tensor._cell.value is value and tensor.dtype is dtype
        assert tensor._version == version
    return caught.value


@pytest.mark.parametrize("kind", ["missing", "unexpected", "size", "type"])
@pytest.mark.parametrize("assign", [True, False])
def test_a_failed_strict_load_changes_nothing(kind, assign):
    net, state = damaged(torchcompat, kind)
    unchanged(net, lambda: net.load_state_dict(state, assign=assign))


@pytest.mark.parametrize("kind", ["size", "type"])
def test_a_failed_load_that_is_not_strict_changes_nothing(kind):
    net, state = damaged(torchcompat, kind)
    unchanged(net, lambda: net.load_state_dict(state, strict=False))


def test_a_failure_in_a_hook_or_override_changes_nothing():
    class Failing(toys(torchcompat).Affine):
        def _load_from_state_dict(self, *args):
            super()._load_from_state_dict(*args)
            self.bias = nn.Parameter(torchcompat.ones(7))
            self.weight.data = torchcompat.ones(5)
            self.extra = nn.Module()
            raise OSError("disk")

    net = nn.Sequential(toys(torchcompat).Affine(), Failing())
    error = unchanged(net, lambda: net.load_state_dict(filled(torchcompat, net)))
    assert isinstance(error, OSError)
    net = toys(torchcompat).Net()

    def hook(module, keys):
        raise KeyError("hook")

    net.register_load_state_dict_post_hook(hook)
    unchanged(net, lambda: net.load_state_dict(filled(torchcompat, net)))


def test_a_failed_load_leaves_versions_and_the_dictionary_alone():
    net, state = damaged(torchcompat, "missing unexpected size type")
    keys, versions = list(state), [m._structure_version for m in net.modules()]
    with pytest.raises(RuntimeError):
        net.load_state_dict(state)
    assert list(state) == keys
    assert [m._structure_version for m in net.modules()] == versions


def test_load_writes_through_views_and_keeps_ties_by_storage():
    base = torchcompat.zeros(4)
    module = nn.Module()
    module.left = nn.Parameter(base[:2])
    module.right = nn.Parameter(base[2:])
    module.load_state_dict({"left": torchcompat.ones(2), "right": torchcompat.ones(2) * 2})
    assert base.tolist() == [1, 1, 2, 2]
    with pytest.raises(RuntimeError):
        module.load_state_dict({"left": torchcompat.ones(2) * 9, "right": torchcompat.ones(3)})
    assert base.tolist() == [1, 1, 2, 2] and module.left.tolist() == [1, 1]


def test_load_keeps_the_sharding():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("d",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("d"))
    module = nn.Module()
    module.p = nn.Parameter(jax.device_put(jnp.ones(4), sharding))
    module.load_state_dict({"p": np.arange(4.0)})
    assert module.p._read().sharding == sharding and module.p.tolist() == [0, 1, 2, 3]


def test_torch_tensors_are_refused_with_torchs_text():
    import torch

    module = toys(torchcompat).Affine()
    state = {k: torch.ones(tuple(v.shape)) for k, v in module.state_dict().items()}
    with pytest.raises(RuntimeError, match="expected torch.Tensor or Tensor-like object"):
        module.load_state_dict(state)


# -- overrides and hooks ------------------------------------------------------------------------


@both
def test_overrides_see_their_part(torch):
    seen = []

    class Renaming(toys(torch).Affine):
        def _load_from_state_dict(
            self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors
        ):
            seen.append((prefix, list(state_dict), strict, list(missing), list(unexpected)))
            if prefix + "kernel" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(
                state_dict, prefix, local_metadata, strict, missing, unexpected, errors
            )

    net = torch.nn.Sequential(Renaming(), toys(torch).Affine())
    state = dict(filled(torch, net))
    state["0.kernel"] = state.pop("0.weight")
    yield attempt(net.load_state_dict, state), net.state_dict(), list(state)
    state["1.kernel"] = state.pop("1.weight")
    yield attempt(net.load_state_dict, state)
    yield seen


@both
def test_saving_overrides(torch):
    class Doubled(toys(torch).Affine):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "extra"] = torch.ones(1)

        def state_dict(self, *args, **kwargs):
            calls.append((len(args), sorted(kwargs)))
            return super().state_dict(*args, **kwargs)

    calls = []
    net = torch.nn.Sequential(Doubled())
    yield net.state_dict(), calls


@both
def test_saving_hooks(torch):
    log = []
    net = torch.nn.Sequential(toys(torch).Affine())
    handles = [
        net[0].register_state_dict_pre_hook(lambda m, *args: log.append(("pre", args))),
        net[0].register_state_dict_post_hook(
            lambda m, state, *args: log.append(("post", list(state), args))
        ),
        net[0]._register_state_dict_hook(
            lambda m, state, *args: log.append(("private", list(state), args))
        ),
    ]
    net.state_dict(prefix="p.", keep_vars=True)
    yield log
    for handle in handles:
        handle.remove()
    log.clear()
    net.state_dict()
    yield log

    net[0].register_state_dict_post_hook(lambda m, state, *args: state.__delitem__("0.bias"))
    yield net.state_dict()
    net[0]._register_state_dict_hook(lambda m, state, *args: OrderedDict(only=1))
    yield net.state_dict(), net[0].state_dict(prefix="0.")
    net = toys(torch).Affine()
    net.register_state_dict_post_hook(lambda *args: 3)
    yield attempt(net.state_dict)

    def hook(*args):
        return None

    net = toys(torch).Affine()
    yield attempt(lambda: type(net._register_state_dict_hook(hook)))
    yield attempt(lambda: type(net.register_state_dict_post_hook(hook)))
    yield attempt(lambda: type(net._register_state_dict_hook(hook)))


@both
def test_loading_hooks(torch):
    log = []

    def note(name):
        def hook(*args):
            head = [type(a).__name__ for a in args if isinstance(a, torch.nn.Module)]
            rest = [a for a in args if not isinstance(a, torch.nn.Module)]
            log.append((name, head, [list(a) if isinstance(a, dict) else a for a in rest]))

        return hook

    net = torch.nn.Sequential(toys(torch).Affine(), toys(torch).Affine())
    handles = [
        net[0].register_load_state_dict_pre_hook(note("pre")),
        net[0]._register_load_state_dict_pre_hook(note("private")),
        net[0]._register_load_state_dict_pre_hook(note("private with module"), with_module=True),
        net[0].register_load_state_dict_post_hook(note("post")),
        net.register_load_state_dict_post_hook(note("root post")),
    ]
    net.load_state_dict({"0.weight": torch.ones(2), "zz": torch.ones(1)}, strict=False)
    yield log
    for handle in handles:
        handle.remove()
    log.clear()
    net.load_state_dict({}, strict=False)
    yield log

    def forgive(module, keys):
        keys.missing_keys.clear()
        keys.unexpected_keys.clear()

    net.register_load_state_dict_post_hook(forgive)
    yield attempt(net.load_state_dict, {"zz": 1})
    net[1].register_load_state_dict_post_hook(lambda m, keys: 3)
    yield attempt(net.load_state_dict, {})

    def rename(state_dict, prefix, *args):
        for key in list(state_dict):
            state_dict[key.replace("old_", "")] = state_dict.pop(key)

    net = toys(torch).Net()
    state = OrderedDict(("old_" + key, value) for key, value in filled(torch, net).items())
    net._register_load_state_dict_pre_hook(rename)
    yield attempt(net.load_state_dict, state), net.state_dict(), list(state)


@both
def test_load_hooks_follow_a_copied_module(torch):
    seen = []
    module = toys(torch).Affine()
    module.register_load_state_dict_pre_hook(lambda m, *args: seen.append(m.size))
    twin = copy.deepcopy(module)
    twin.size = 7
    twin.load_state_dict(twin.state_dict())
    module.load_state_dict(module.state_dict())
    yield seen


@both
def test_extra_state(torch):
    class Extra(torch.nn.Module):
        state = None

        def get_extra_state(self):
            return {"a": 1}

        def set_extra_state(self, state):
            self.state = state

    class OnlyGet(torch.nn.Module):
        def get_extra_state(self):
            return torch.ones(1)

    class OnlySet(torch.nn.Module):
        def set_extra_state(self, state):
            self.state = state

    net = torch.nn.Sequential(Extra(), toys(torch).Affine())
    state = net.state_dict()
    yield state
    yield net.load_state_dict(state), net[0].state
    del state["0._extra_state"]
    yield attempt(net.load_state_dict, state), attempt(net.load_state_dict, state, strict=False)
    state["1._extra_state"] = 3
    yield attempt(net.load_state_dict, state)
    for kind in (OnlyGet, OnlySet):
        yield attempt(lambda k=kind: k().state_dict())
        yield attempt(lambda k=kind: k().load_state_dict({}))
        yield attempt(lambda k=kind: k().load_state_dict({"_extra_state": 3}))
    yield attempt(torch.nn.Module().get_extra_state)
    yield attempt(torch.nn.Module().set_extra_state, 1)
