"""What hooks of the graph return: whether it can stand for the gradients that they saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._tensor._tensor import Tensor


def replaced(hook: Callable, result: Any, before: Tensor) -> Tensor:
    """The gradient after a hook that was shown `before` returned `result`; None changes nothing.

    Raises:
        TypeError: the result is no Tensor.
        RuntimeError: it differs from `before` in dtype or shape.
    """
    if result is None:
        return before
    _check(hook, result, before)
    return result


def replaced_each(hook: Callable, results: Any, before: tuple) -> tuple:
    """As `replaced`, for a hook that was shown a tuple of gradients and returns one.

    A None in the tuple takes that gradient away.

    Raises:
        TypeError: the result is no tuple of Tensors and None.
        RuntimeError: it is of another length, or holds a gradient where there was none.
    """
    if results is None:
        return before
    if not isinstance(results, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(results).__name__}'")
    if len(results) != len(before):
        raise RuntimeError(
            f"hook '{_name(hook)}' has returned an incorrect number of values (got {len(results)}, "
            f"but expected {len(before)})"
        )
    for result, one in zip(results, before):
        if result is not None:
            _check(hook, result, one)
    return results


def _check(hook: Callable, result: Any, before: Tensor | None) -> None:
    if before is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not isinstance(result, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    if result.dtype is not before.dtype:
        raise RuntimeError(
            f"hook '{_name(hook)}' has changed the type of value "
            f"(was {before.type()} got {result.type()})"
        )
    if result.shape != before.shape:
        raise RuntimeError(f"hook '{_name(hook)}' has changed the size of value")


def _name(hook: Callable) -> str:
    return getattr(hook, "__name__", repr(hook))
