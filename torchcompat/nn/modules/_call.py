"""Calling a module: arrays in, arrays out; then hooks and forward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from torchcompat._tensor import Tensor, as_array
from torchcompat._tensor._dispatch import ARRAYS, holds, map_nested, to_tensor
from torchcompat._tensor._state import state
from torchcompat.nn.modules import _global
from torchcompat.nn.modules._backward import BackwardHooks, add_older_hooks
from torchcompat.nn.modules._hooks import Hooks

# Arguments that need no look inside: they are, or hold, neither Tensors nor arrays.
_ATOMS = frozenset({Tensor, type(None), bool, int, float, complex, str})


class Calls(Hooks):
    """`module(...)`."""

    _compiled_call_impl: Callable | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the hooks and `forward`.

        Called with at least one Tensor it returns Tensors; with arrays only (`jax.Array`, tracers,
        NumPy), it returns `jax.Array`s. `forward` and hooks see Tensors either way.
        """
        for x in args:
            if type(x) not in _ATOMS and not isinstance(x, Tensor):
                return self._call_converted(args, kwargs)
        for x in kwargs.values():
            if type(x) not in _ATOMS and not isinstance(x, Tensor):
                return self._call_converted(args, kwargs)
        return self._wrapped_call_impl(*args, **kwargs)

    def _call_converted(self, args: tuple, kwargs: dict) -> Any:
        given = (args, kwargs)
        if not holds(ARRAYS, given):
            return self._wrapped_call_impl(*args, **kwargs)
        tensors = holds(Tensor, given)
        args, kwargs = map_nested(to_tensor, given)
        result = self._wrapped_call_impl(*args, **kwargs)
        return result if tensors else map_nested(as_array, result)

    def _wrapped_call_impl(self, *args: Any, **kwargs: Any) -> Any:
        if self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        if (parts := state.parts) is not None:
            return parts(self, args, kwargs)
        return self._call_impl(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        if state.capture is not None:
            state.capture.called(self)
        if not (
            self._forward_hooks
            or self._forward_pre_hooks
            or _global.forward_hooks
            or _global.forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _global.backward_hooks
            or _global.backward_pre_hooks
        ):
            return self.forward(*args, **kwargs)
        return self._call_with_hooks(args, kwargs)

    def _slow_forward(self, *input: Any, **kwargs: Any) -> Any:
        return self.forward(*input, **kwargs)

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        result, called = None, set()
        try:
            for key, hook in (*_global.forward_pre_hooks.items(), *self._forward_pre_hooks.items()):
                if key in self._forward_pre_hooks_with_kwargs:
                    args, kwargs = _replaced_both(_fire(hook, self, args, kwargs), args, kwargs)
                else:
                    args = _replaced(_fire(hook, self, args), args)
            full, older = self._get_backward_hooks()
            pre_hooks = self._get_backward_pre_hooks()
            backward = BackwardHooks(self, full, pre_hooks) if full or pre_hooks else None
            if backward is not None:
                args = backward.mark_inputs(args)
            result = self.forward(*args, **kwargs)
            for key, hook, with_kwargs, _ in self._hooks_after():
                called.add(key)
                output = _fire(hook, self, args, *((kwargs,) if with_kwargs else ()), result)
                if output is not None:
                    result = output
            if backward is not None:
                result = backward.mark_outputs(result)
            if older:
                add_older_hooks(self, older, args, result)
            return result
        except Exception:
            self._call_remaining(args, kwargs, result, called)
            raise

    def _hooks_after(self) -> list[tuple[int, Callable, bool, bool]]:
        """Of each hook after forward: id, hook, whether it takes keywords, if called always."""
        found = []
        for hooks, with_kwargs, always in (
            (
                _global.forward_hooks,
                _global.forward_hooks_with_kwargs,
                _global.forward_hooks_always_called,
            ),
            (
                self._forward_hooks,
                self._forward_hooks_with_kwargs,
                self._forward_hooks_always_called,
            ),
        ):
            found += [(key, hook, key in with_kwargs, key in always) for key, hook in hooks.items()]
        return found

    def _call_remaining(self, args: tuple, kwargs: dict, result: Any, called: set) -> None:
        """After an error: the hooks that asked to be called always and were not yet."""
        for key, hook, with_kwargs, always in self._hooks_after():
            if not always or key in called:
                continue
            try:
                output = _fire(hook, self, args, *((kwargs,) if with_kwargs else ()), result)
            except Exception as error:
                kind = "module" if key in self._forward_hooks else "global module"
                warnings.warn(
                    f"{kind} forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}"
                )
            else:
                result = result if output is None else output


def _fire(hook: Callable, *args: Any) -> Any:
    """Calls a hook; a running compile decides how (`_compile/_observe.py`)."""
    runner = state.hook_runner
    return hook(*args) if runner is None else runner(hook, *args)


def _replaced(output: Any, args: tuple) -> tuple:
    """The arguments after a pre-hook returned `output`."""
    if output is None:
        return args
    return output if isinstance(output, tuple) else (output,)


def _replaced_both(output: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments after a pre-hook that sees keywords returned `output`."""
    if output is None:
        return args, kwargs
    if isinstance(output, tuple) and len(output) == 2:
        return output
    raise RuntimeError(
        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {output}."
    )
