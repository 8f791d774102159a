"""Registering hooks on one module."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from torchcompat.nn.modules import _global
from torchcompat.nn.modules._traversal import Traversal
from torchcompat.utils.hooks import RemovableHandle


def _add(hooks: Any, hook: Callable, prepend: bool = False, *marks: Any) -> RemovableHandle:
    """Stores a hook and marks its id in `marks`."""
    handle = RemovableHandle(hooks, extra_dict=list(marks) if marks else None)
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class Hooks(Traversal):
    """The `register_..._hook` methods."""

    _is_full_backward_hook: bool | None

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before each forward.

        Args:
            hook: its result, if not None, replaces the positional arguments.
            prepend: run it before the hooks that are there already.
            with_kwargs: call `hook(module, args, kwargs)`, which returns None or `(args, kwargs)`.
        """
        marks = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return _add(self._forward_pre_hooks, hook, prepend, *marks)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after each forward.

        Args:
            hook: its result, if not None, replaces the output.
            prepend: run it before the hooks that are there already.
            with_kwargs: call `hook(module, args, kwargs, output)`.
            always_call: call it, with output None, also when the forward raises.
        """
        marks = [self._forward_hooks_with_kwargs] if with_kwargs else []
        if always_call:
            marks.append(self._forward_hooks_always_called)
        return _add(self._forward_hooks, hook, prepend, *marks)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when `backward()` has passed this module.

        A result other than None replaces `grad_input`. The hook does not see gradients that JAX
        takes (`jax.grad`), which differentiates the whole function at once.
        """
        return self._add_backward_hook(hook, full=True, prepend=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, grad_output)` before `backward()` passes this module.

        A result other than None replaces `grad_output`.
        """
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Registers the older kind of backward hook; prefer `register_full_backward_hook`."""
        return self._add_backward_hook(hook, full=False)

    def _add_backward_hook(
        self, hook: Callable, full: bool, prepend: bool = False
    ) -> RemovableHandle:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them."
            )
        self._is_full_backward_hook = full
        return _add(self._backward_hooks, hook, prepend)

    def _get_backward_hooks(self) -> tuple[list[Callable], list[Callable]]:
        """The backward hooks that apply to this module: the full kind and the older kind."""
        full: list[Callable] = []
        older: list[Callable] = []
        for is_full, hooks in (
            (_global.is_full_backward_hook, _global.backward_hooks),
            (self._is_full_backward_hook, self._backward_hooks),
        ):
            (full if is_full else older).extend(hooks.values())
        return full, older

    def _get_backward_pre_hooks(self) -> list[Callable]:
        """The backward pre-hooks that apply to this module."""
        return [*_global.backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    # -- saving and loading --------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, prefix, keep_vars)` before the module writes its `state_dict`."""
        return _add(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata)` on the finished `state_dict`.

        It may change the dictionary in place and must return None.
        """
        hook._from_public_api = True  # type: ignore[attr-defined]
        return _add(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """As `register_state_dict_post_hook`, but a result may replace the outermost dictionary."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via register_state_dict_post_hook"
            )
        return _add(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before the module reads its part of a `state_dict`.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable, with_module: bool = False
    ) -> RemovableHandle:
        """As `register_load_state_dict_pre_hook`, without the module argument unless asked."""
        wrapped = WrappedHook(hook, self if with_module else None)
        return _add(self._load_state_dict_pre_hooks, wrapped)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls `hook(module, incompatible_keys)` after loading; it may edit both key lists.

        It must return None.
        """
        return _add(self._load_state_dict_post_hooks, hook)


class WrappedHook:
    """A load hook that is given the module it was registered on.

    The module is held weakly, so that a module and its hooks die together.
    """

    def __init__(self, hook: Callable, module: Any = None) -> None:
        self._set(hook, module)

    def _set(self, hook: Callable, module: Any) -> None:
        self.hook = hook
        self.with_module = module is not None
        self.module = weakref.ref(module) if self.with_module else None
        functools.update_wrapper(self, hook)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.module is None:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.module is not None:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict) -> None:
        self._set(state["hook"], state.get("module"))
