"""Hooks under `compile`: one that returns a value is compiled in, one that only looks sees each call.

Which of the two a hook is shows when it runs: the first call that meets a hook not yet judged is made
eagerly. A hook that returns None and writes to nothing (nor to a tensor of its module) only looks: the
program delivers what it is to see, and it is called with concrete tensors once after each run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torchcompat._compile._capture import Capture
from torchcompat._tensor import Tensor
from torchcompat._tensor._dispatch import map_nested
from torchcompat._tensor._state import state
from torchcompat.nn.modules.module import Module


class Unjudged(BaseException):
    """The trace met a hook that has not run yet. No `Exception`: user code must not catch it."""


class Verdicts:
    """For each hook that has run: whether it acts (returns a value or writes to a tensor)."""

    def __init__(self) -> None:
        self._acts: dict[int, tuple[Callable, bool]] = {}

    def judge(self, hook: Callable, *args: Any) -> Any:
        """Runs `hook` and notes whether it acted."""
        before = _versions(args)
        result = hook(*args)
        acted = result is not None or _versions(args) != before
        self._acts[id(hook)] = hook, acted or self._acts.get(id(hook), (hook, False))[1]
        return result

    def acts(self, hook: Callable) -> bool:
        if hasattr(hook, "derives"):
            return True
        found = self._acts.get(id(hook))
        if found is None:
            raise Unjudged
        return found[1]


def _versions(args: tuple) -> list[int]:
    seen: list[Any] = []

    def note(x: Any) -> None:
        if isinstance(x, Tensor):
            seen.extend((x._version, x._grad is None))
        elif isinstance(x, Module):
            for held in (x._parameters, x._buffers, x.__dict__):
                for tensor in held.values():
                    if isinstance(tensor, Tensor):
                        seen.extend((id(tensor), tensor._version))

    map_nested(note, args)
    return seen


@contextmanager
def hook_runner(run: Callable) -> Iterator[None]:
    """Has every hook called through `run(hook, *args)`."""
    before, state.hook_runner = state.hook_runner, run
    try:
        yield
    finally:
        state.hook_runner = before


def tracing(capture: Capture, verdicts: Verdicts) -> Any:
    """During a trace: hooks that act run now, the others are noted for after each call."""

    def run(hook: Callable, *args: Any) -> Any:
        if verdicts.acts(hook):
            return hook(*args)
        capture.observed.append((hook, args))
        return None

    return hook_runner(run)


def show(hook: Callable, args: tuple) -> None:
    """Calls a hook that only looks.

    Raises:
        RuntimeError: it returned a value this time, which the finished call cannot take up.
    """
    if hook(*args) is not None:
        raise RuntimeError(
            f"hook {hook!r} returned nothing when it was compiled and a value now; a compiled call "
            "needs hooks that always or never return one"
        )
