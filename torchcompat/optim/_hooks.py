"""Hooks of optimizers: before and after steps, around `state_dict` and `load_state_dict`."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from typing import Any

from torchcompat._tensor._state import state
from torchcompat.utils.hooks import RemovableHandle

_global_optimizer_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_optimizer_post_hooks: OrderedDict[int, Callable] = OrderedDict()

# The dictionaries that every optimizer has one of.
DICTIONARIES = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def register(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    """Adds a hook, last or first; returns its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Has `hook(optimizer, args, kwargs)` called before each step of every optimizer."""
    return register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Has `hook(optimizer, args, kwargs)` called after each step of every optimizer."""
    return register(_global_optimizer_post_hooks, hook)


def hooked(step: Callable) -> Callable:
    """`step` with the hooks before and after it; those before may replace its arguments.

    Raises:
        RuntimeError: a hook before the step returned something else than a pair or None.
    """

    @functools.wraps(step)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        optimizer = args[0]
        if state.capture is not None:
            state.capture.steps(optimizer)
        for hook in chain(
            _global_optimizer_pre_hooks.values(), optimizer._optimizer_step_pre_hooks.values()
        ):
            result = hook(optimizer, args, kwargs)
            if result is None:
                continue
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError(
                    f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{result}."
                )
            args, kwargs = result
        out = step(*args, **kwargs)
        optimizer._optimizer_step_code()
        for hook in chain(
            optimizer._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()
        ):
            hook(optimizer, args, kwargs)
        return out

    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


def use_grad_for_differentiable(step: Callable) -> Callable:
    """Has `step` run without recording gradients, unless the optimizer is `differentiable`."""

    @functools.wraps(step)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        before = state.grad_enabled
        state.grad_enabled = bool(args[0].defaults.get("differentiable"))
        try:
            return step(*args, **kwargs)
        finally:
            state.grad_enabled = before

    return wrapper
