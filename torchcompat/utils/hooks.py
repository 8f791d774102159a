"""Handles by which a registered hook is removed again."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


class RemovableHandle:
    """Removes a hook: call `remove()`, or use it as a context manager.

    Args:
        hooks_dict: the dictionary that the hook is stored in, under this handle's `id`.
        extra_dict: further dictionaries (one or a list) that have an entry under the same id.
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self.extra_dict_ref = _references(extra_dict)

    def remove(self) -> None:
        """Takes the hook out of its dictionaries; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None and self.id in hooks:
                del hooks[self.id]

    def __getstate__(self) -> tuple:
        if not self.extra_dict_ref:
            return self.hooks_dict_ref(), self.id
        return self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref)

    def __setstate__(self, state: tuple) -> None:
        hooks = state[0]
        # A handle whose dictionary is gone gets one of its own, which dies at once.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.id = state[1]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        extra = state[2] if len(state) > 2 else ()
        self.extra_dict_ref = _references([OrderedDict() if d is None else d for d in extra])

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _references(dictionaries: Any) -> tuple:
    if dictionaries is None:
        return ()
    several = dictionaries if isinstance(dictionaries, (list, tuple)) else [dictionaries]
    return tuple(map(weakref.ref, several))


def unserializable_hook(f: Callable) -> Callable:
    """Marks a hook that must not be pickled with its tensor (a decorator)."""
    f.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warns about tensor hooks that serialization would drop."""
    hooks: Iterable = (getattr(tensor, "_backward_hooks", None) or {}).values()
    for hook in hooks:
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, "
                "you can decorate the function with @torch.utils.hooks.unserializable_hook to "
                "suppress this warning"
            )
