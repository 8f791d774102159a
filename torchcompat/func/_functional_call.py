"""Modules as pure functions of their parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torchcompat.nn.modules.module import Module
from torchcompat.nn.utils.stateless import _functional_call

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls `module` with other parameters and buffers in place of its own.

    Args:
        module: the module to call; it is unchanged afterwards.
        parameter_and_buffer_dicts: values by name (`named_parameters` names), or several such
            dictionaries with different names. Values are Tensors or arrays. A module that updates
            a buffer in place updates the Tensor given for it; given as an array, the update is
            dropped. A tensor that the module assigns to such a name is left in the dictionary.
        args: the positional arguments: a tuple, or one value.
        kwargs: the keyword arguments.
        tie_weights: a value given for one name of a tied tensor serves all its names.
        strict: every name of the module must be given, and no other.

    Raises:
        ValueError: no dictionaries are given, a name is given twice, or tied names are given
            different values.
        AttributeError: the module has no attribute of a name.
        RuntimeError: under `strict`, names are missing or unexpected.

    Example:
        >>> grads = jax.grad(lambda p: functional_call(model, p, (x,)).sum())(params)
    """
    return _functional_call(
        module,
        _merged(parameter_and_buffer_dicts),
        args,
        kwargs,
        tie_weights=tie_weights,
        strict=strict,
    )


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dicts if isinstance(dicts, dict) else dict(dicts)
    if not isinstance(dicts, Sequence):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, "
            f"but got {type(dicts)}"
        )
    merged: dict[str, Any] = {}
    repeated = set()
    for one in dicts:
        repeated |= merged.keys() & one.keys()
        merged |= one
    if repeated:
        raise ValueError(
            f"{list(repeated)} appeared in multiple dictionaries; "
            "behavior of functional call is ambiguous"
        )
    return merged
