"""Hooks that run for every module of the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat.nn.modules._tracked import Clock, TrackedOrderedDict
from torchcompat.utils.hooks import RemovableHandle

# The version of the global hooks, for whatever is compiled against them.
clock = Clock()


def _hooks() -> TrackedOrderedDict:
    return TrackedOrderedDict(clock=clock)


forward_pre_hooks = _hooks()
forward_hooks = _hooks()
forward_hooks_with_kwargs = _hooks()
forward_hooks_always_called = _hooks()
backward_pre_hooks = _hooks()
backward_hooks = _hooks()
parameter_registration_hooks = _hooks()
module_registration_hooks = _hooks()
buffer_registration_hooks = _hooks()
# Whether the backward hooks are of the full kind; None while there are none.
is_full_backward_hook: bool | None = None


def registered(hooks: dict, module: Any, name: str, value: Any) -> Any:
    """What is to be registered: `value`, or what the registration hooks put in its place."""
    for hook in hooks.values():
        output = hook(module, name, value)
        if output is not None:
            value = output
    return value


def _add(hooks: dict, hook: Callable, *marks: dict) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra_dict=list(marks) if marks else None)
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    return handle


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, name, parameter)` whenever any module registers a parameter.

    A result other than None is registered instead.
    """
    return _add(parameter_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, name, submodule)` whenever any module registers a submodule.

    A result other than None is registered instead.
    """
    return _add(module_registration_hooks, hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, name, buffer)` whenever any module registers a buffer.

    A result other than None is registered instead.
    """
    return _add(buffer_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, args)` before every forward; its result replaces the arguments."""
    return _add(forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls `hook(module, args, output)` after every module's forward.

    Args:
        hook: its result, if not None, replaces the output.
        with_kwargs: call `hook(module, args, kwargs, output)`.
        always_call: call it, with output None, also when the forward raises.
    """
    marks = []
    if with_kwargs:
        marks.append(forward_hooks_with_kwargs)
    if always_call:
        marks.append(forward_hooks_always_called)
    return _add(forward_hooks, hook, *marks)


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """Registers the older kind of backward hook for every module; see the full kind."""
    return _add_backward(hook, full=False)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, grad_input, grad_output)` whenever `backward()` passes any module."""
    return _add_backward(hook, full=True)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls `hook(module, grad_output)` before `backward()` passes any module."""
    return _add(backward_pre_hooks, hook)


def _add_backward(hook: Callable, full: bool) -> RemovableHandle:
    global is_full_backward_hook
    if is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    is_full_backward_hook = full
    return _add(backward_hooks, hook)
