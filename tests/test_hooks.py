"""Forward, pre-forward, global and registration hooks, their handles; backward registration."""

from __future__ import annotations

import copy
import pickle

import jax
import pytest
from _both import attempt, both
from _toys import toys
from jax import numpy as jnp

import torchcompat
from torchcompat.nn.modules import _global

nn = torchcompat.nn
GLOBAL = (
    "forward_pre_hooks",
    "forward_hooks",
    "forward_hooks_with_kwargs",
    "forward_hooks_always_called",
    "backward_hooks",
    "backward_pre_hooks",
    "parameter_registration_hooks",
    "module_registration_hooks",
    "buffer_registration_hooks",
)


@pytest.fixture(autouse=True)
def no_global_hook_is_left():
    yield
    assert not any(getattr(_global, name) for name in GLOBAL)


def module_of(torch, fail=False):
    class Scale(torch.nn.Module):
        def forward(self, x, by=1.0, *, plus=0.0):
            if fail:
                raise ValueError("boom")
            return x * by + plus

    return Scale()


def note(log, name, result=None):
    """A hook that logs its arguments (but the module) and returns `result`."""

    def hook(module, *args):
        log.append((name, type(module).__name__, list(args)))
        return result

    return hook


# -- pre-hooks ----------------------------------------------------------------------------------


@both
def test_pre_hooks(torch):
    x = torch.ones(2)
    replacements = {
        "nothing": lambda m, args: None,
        "tuple": lambda m, args: (args[0] * 2,),
        "value": lambda m, args: args[0] * 3,
        "more": lambda m, args: (args[0], 5.0),
        "list": lambda m, args: [args[0]],
    }
    for hook in replacements.values():
        module = module_of(torch)
        module.register_forward_pre_hook(hook)
        yield attempt(module, x)
        yield attempt(module, x, plus=1.0)


@both
def test_pre_hooks_with_kwargs(torch):
    x = torch.ones(2)
    for hook in (
        lambda m, args, kwargs: None,
        lambda m, args, kwargs: (args, {"by": 7.0}),
        lambda m, args, kwargs: ((args[0] * 2,), kwargs),
        lambda m, args, kwargs: args,
        lambda m, args, kwargs: (args, kwargs, 1),
        lambda m, args, kwargs: [args, kwargs],
        lambda m, args, kwargs: 3,
    ):
        module = module_of(torch)
        module.register_forward_pre_hook(hook, with_kwargs=True)
        yield attempt(module, x)
        yield attempt(module, x, plus=1.0)


@both
def test_order_and_prepend(torch):
    log, module = [], module_of(torch)
    for name, prepend in (("a", False), ("b", False), ("c", True)):
        module.register_forward_pre_hook(note(log, f"pre {name}"), prepend=prepend)
        module.register_forward_hook(note(log, name), prepend=prepend)
    module.register_forward_hook(note(log, "kw"), prepend=True, with_kwargs=True)
    module.register_forward_pre_hook(note(log, "pre kw"), prepend=True, with_kwargs=True)
    module(torch.ones(1), plus=2.0)
    yield log


# -- hooks --------------------------------------------------------------------------------------


@both
def test_hooks_replace_outputs(torch):
    log, module = [], module_of(torch)
    module.register_forward_hook(lambda m, args, out: out * 3)
    module.register_forward_hook(
        lambda m, args, kwargs, out: out + kwargs["plus"], with_kwargs=True
    )
    module.register_forward_hook(note(log, "last"))
    yield module(torch.ones(1), plus=2.0), log
    module.register_forward_hook(lambda m, args, out: {"x": [out]})
    yield module(torch.ones(1), plus=2.0)


@both
def test_always_called_hooks(torch):
    def failing(*args):
        raise RuntimeError("inner")

    plans = {
        "forward fails": (True, ["log", "always", "always kw"]),
        "forward fails, hook too": (True, ["bad always", "always"]),
        "hook fails first": (False, ["bad", "always", "log"]),
        "always hook fails": (False, ["bad always", "always"]),
        "pre-hook fails": (False, ["bad pre", "always"]),
        "all is well": (False, ["always", "log", "always kw"]),
        "result replaced": (True, ["always result", "always"]),
    }
    for fail, hooks in plans.values():
        log, module = [], module_of(torch, fail)
        for name in hooks:
            if name == "bad pre":
                module.register_forward_pre_hook(failing)
                continue
            result = torch.zeros(3) if "result" in name else None
            hook = failing if "bad" in name else note(log, name, result)
            module.register_forward_hook(
                hook, always_call="always" in name, with_kwargs="kw" in name
            )
        yield attempt(module, torch.ones(1), plus=1.0)
        yield log


@both
def test_hooks_that_remove_themselves_or_add_others(torch):
    log, module = [], module_of(torch)

    def once(m, args, out):
        log.append("once")
        handle.remove()
        m.register_forward_hook(note(log, "added"))

    handle = module.register_forward_hook(once)
    module(torch.ones(1))
    yield log
    module(torch.ones(1))
    yield log


# -- handles ------------------------------------------------------------------------------------


@both
def test_handles(torch):
    module = module_of(torch)
    homes = [
        module._forward_hooks,
        module._forward_hooks_with_kwargs,
        module._forward_hooks_always_called,
        module._forward_pre_hooks,
        module._forward_pre_hooks_with_kwargs,
    ]
    hook = note([], "x")
    first = module.register_forward_hook(hook, with_kwargs=True, always_call=True)
    second = module.register_forward_pre_hook(hook, with_kwargs=True)
    third = module.register_forward_hook(hook, prepend=True)
    yield [len(home) for home in homes]
    yield second.id - first.id, third.id - second.id
    yield [key - first.id for key in module._forward_hooks]
    first.remove()
    first.remove()
    yield [len(home) for home in homes]
    with second as entered:
        yield entered is second, [len(home) for home in homes]
    yield [len(home) for home in homes]
    handles = torch.utils.hooks.RemovableHandle
    lonely = handles({}.__class__.__mro__[0] and __import__("collections").OrderedDict())
    yield lonely.id - third.id, lonely.remove()
    yield attempt(handles), type(first).__name__


def test_a_handle_survives_pickling_and_copies():
    module = module_of(torchcompat)
    handle = module.register_forward_hook(print, with_kwargs=True)
    for clone in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        twin = clone([handle, handle])[0]
        assert twin.id == handle.id
        twin.remove()
        assert handle.id in module._forward_hooks
    assert torchcompat.utils.hooks.RemovableHandle.next_id > handle.id


def test_a_handle_does_not_keep_its_module():
    handle = module_of(torchcompat).register_forward_hook(print)
    assert handle.hooks_dict_ref() is None
    handle.remove()


# -- global hooks -------------------------------------------------------------------------------


@both
def test_global_forward_hooks(torch):
    hooks = torch.nn.modules.module
    log = []
    net = torch.nn.Sequential(module_of(torch), module_of(torch))
    net[0].register_forward_pre_hook(note(log, "own pre"))
    net[0].register_forward_hook(note(log, "own"))
    handles = [
        hooks.register_module_forward_pre_hook(note(log, "pre")),
        hooks.register_module_forward_hook(note(log, "after")),
        hooks.register_module_forward_hook(note(log, "kw"), with_kwargs=True),
        hooks.register_module_forward_hook(note(log, "always"), always_call=True),
    ]
    try:
        yield net(torch.ones(1))
        yield log
        log.clear()
        yield attempt(module_of(torch, fail=True), torch.ones(1))
        yield log
    finally:
        for handle in handles:
            handle.remove()
    log.clear()
    yield net[1](torch.ones(1)), log


@both
def test_global_hooks_replace_values(torch):
    hooks = torch.nn.modules.module
    handles = [
        hooks.register_module_forward_pre_hook(lambda m, args: args[0] + 1),
        hooks.register_module_forward_hook(lambda m, args, out: out * 10),
    ]
    yield module_of(torch)(torch.ones(1))
    for handle in handles:
        handle.remove()
    yield module_of(torch)(torch.ones(1))


@both
def test_registration_hooks(torch):
    hooks, nn = torch.nn.modules.module, torch.nn
    log = []

    def noting(kind, result=None):
        def hook(module, name, value):
            log.append((kind, type(module).__name__, name, value))
            return result

        return hook

    handles = [
        hooks.register_module_parameter_registration_hook(noting("parameter")),
        hooks.register_module_buffer_registration_hook(noting("buffer")),
        hooks.register_module_module_registration_hook(noting("module")),
    ]
    module = nn.Module()
    module.p = nn.Parameter(torch.ones(1))
    module.p = None
    module.p = nn.Parameter(torch.zeros(1))
    module.register_parameter("q", None)
    module.register_buffer("b", torch.ones(1))
    module.b = torch.zeros(2)
    module.b = None
    module.c = nn.Buffer(torch.ones(1))
    module.child = nn.Module()
    module.child = None
    module.add_module("other", nn.Module())
    module.add_module("none", None)
    module.plain = 3
    yield log
    for handle in handles:
        handle.remove()

    handle = hooks.register_module_parameter_registration_hook(
        lambda m, n, p: nn.Parameter(p.data * 5)
    )
    module.p = nn.Parameter(torch.ones(1))
    yield module.p
    handle.remove()
    handle = hooks.register_module_buffer_registration_hook(lambda m, n, b: torch.ones(9))
    module.b = torch.zeros(1)
    module.register_buffer("d", torch.zeros(1))
    yield module.b, module.d
    handle.remove()
    handle = hooks.register_module_module_registration_hook(lambda m, n, c: nn.Sequential())
    module.child = nn.Module()
    module.add_module("last", nn.Module())
    yield module
    handle.remove()


def test_torch_names_of_the_global_dictionaries():
    from torchcompat.nn.modules import module

    handle = module.register_module_forward_hook(print)
    assert list(module._global_forward_hooks.values()) == [print]
    handle.remove()
    with pytest.raises(AttributeError):
        module._global_nothing  # noqa: B018


# -- backward hooks -----------------------------------------------------------------------------


@both
def test_backward_hook_registration(torch):
    hook = note([], "x")
    for calls in (
        ("register_full_backward_hook", "register_backward_hook"),
        ("register_backward_hook", "register_full_backward_hook"),
        ("register_full_backward_pre_hook", "register_backward_hook"),
        ("register_full_backward_hook", "register_full_backward_hook"),
    ):
        module = module_of(torch)
        for call in calls:
            result, given = attempt(lambda m=module, c=call: type(getattr(m, c)(hook)))
            yield result, given, module._is_full_backward_hook
        yield len(module._backward_hooks), len(module._backward_pre_hooks)
        yield [len(kind) for kind in module._get_backward_hooks()]
        yield len(module._get_backward_pre_hooks())


@both
def test_global_backward_hook_registration(torch):
    hooks, hook = torch.nn.modules.module, note([], "x")
    for names in (
        ("register_module_full_backward_hook", "register_module_backward_hook"),
        ("register_module_full_backward_pre_hook", "register_module_full_backward_hook"),
    ):
        first = getattr(hooks, names[0])(hook)
        try:
            with getattr(hooks, names[1])(hook):
                yield [len(kind) for kind in module_of(torch)._get_backward_hooks()]
        except RuntimeError as error:
            yield str(error)
        yield [len(kind) for kind in module_of(torch)._get_backward_hooks()]
        first.remove()


# -- under JAX ----------------------------------------------------------------------------------


def test_hooks_run_under_jit_and_leak_no_tracer():
    net, seen = toys(torchcompat).Net(), []
    net.body[0].register_forward_hook(lambda m, args, out: out * 2)
    net.body[0].register_forward_hook(lambda m, args, out: seen.append(tuple(out.shape)))
    plain = net(jnp.ones(2))
    assert jnp.array_equal(jax.jit(lambda x: net(x))(jnp.ones(2)), plain)
    assert seen == [(2,), (2,)]
    assert isinstance(net(torchcompat.ones(2)), torchcompat.Tensor)


def test_hook_changes_advance_the_epoch():
    from torchcompat._tensor._state import epoch

    before = epoch.value, _global.clock.value
    handle = nn.modules.module.register_module_forward_hook(print)
    between = epoch.value, _global.clock.value
    handle.remove()
    after = epoch.value, _global.clock.value
    assert before[0] < between[0] < after[0] and before[1] < between[1] < after[1]
