"""Arguments of a call brought into the order of the target's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from torchcompat import _overrides
from torchcompat.fx._compatibility import compatibility

__all__ = [
    "ArgsKwargsPair",
    "get_signature_for_torch_op",
    "normalize_function",
    "normalize_module",
]


@compatibility(is_backward_compatible=False)
def get_signature_for_torch_op(
    op: Callable, return_schemas: bool = False
) -> list[inspect.Signature] | None:
    """The signature of a function of torch, in a list; None for any other.

    Raises:
        NotImplementedError: TorchScript's schemas are asked for.
    """
    if return_schemas:
        raise NotImplementedError(f"return_schemas={return_schemas}: there is no TorchScript")
    known = _overrides.known(op)
    return [known.signature] if known else None


@compatibility(is_backward_compatible=False)
class ArgsKwargsPair(NamedTuple):
    """Arguments by position and by keyword."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@compatibility(is_backward_compatible=False)
def normalize_function(
    target: Callable,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    arg_types: tuple[Any, ...] | None = None,
    kwarg_types: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The arguments of a function in the order of its signature, defaults filled in; None if unknown."""
    known = _overrides.known(target)
    return _normalized(known.plain if known else target, args, kwargs, normalize_to_only_use_kwargs)


@compatibility(is_backward_compatible=False)
def normalize_module(
    root: Any,
    target: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The arguments of a submodule's forward in the order of its signature; None if unknown."""
    forward = root.get_submodule(target).forward
    return _normalized(forward, args, kwargs, normalize_to_only_use_kwargs)


def _normalized(
    function: Callable, args: tuple, kwargs: dict | None, only_keywords: bool
) -> ArgsKwargsPair | None:
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*args, **(kwargs or {}))
    except (TypeError, ValueError):
        return None
    bound.apply_defaults()
    places, words = [], {}
    for name, parameter in signature.parameters.items():
        value = bound.arguments[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            words.update(value)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            if only_keywords and value:
                return None
            places += value
        elif only_keywords or parameter.kind is parameter.KEYWORD_ONLY:
            words[name] = value
        else:
            places.append(value)
    return ArgsKwargsPair(tuple(places), words)
