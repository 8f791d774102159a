"""`torch.func`: modules as pure functions of their parameters and buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torchcompat._tensor._dispatch import to_tensor
from torchcompat.nn.modules.module import Module

__all__ = ["functional_call"]

_Slot = tuple[dict, str]


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
            dictionaries with different names. Values are Tensors or arrays. A module that updates a
            buffer in place updates the Tensor given for it; given as an array, the update is dropped.
        args: the positional arguments: a tuple, or one value.
        kwargs: the keyword arguments.
        tie_weights: a value given for one name of a tied tensor serves all its names.
        strict: every name of the module must be given, and no other.

    Raises:
        ValueError: no dictionaries are given, a name is given twice, or tied names are given different values.
        RuntimeError: under `strict`, names are missing or unexpected.

    Example:
        >>> grads = jax.grad(lambda p: functional_call(model, p, (x,)).sum())(params)
    """
    values = _merged(parameter_and_buffer_dicts)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    slots = _slots(module)
    if strict:
        _check_names(module, slots, values, tie_weights)
    planned = _planned(slots, values, tie_weights)
    with _swapped(planned):
        return module(*arguments, **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
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


def _slots(module: Module) -> dict[str, _Slot]:
    """Where each parameter and buffer is kept, by name; every name of a shared one."""
    slots: dict[str, _Slot] = {}
    for prefix, one in module.named_modules(remove_duplicate=False):
        for held in (one._parameters, one._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    slots[f"{prefix}.{name}" if prefix else name] = held, name
    return slots


def _planned(slots: dict, values: dict, tie_weights: bool) -> list[tuple[_Slot, Any]]:
    groups: dict[int, list[str]] = {}
    for name, (held, key) in slots.items():
        groups.setdefault(id(held[key]), []).append(name)
    planned: dict[str, Any] = {}
    for names in groups.values():
        given = [name for name in names if name in values]
        if not given:
            continue
        if tie_weights and any(values[name] is not values[given[0]] for name in given):
            raise ValueError(
                f"functional_call got multiple values for keys {given}, "
                "which are tied. Consider using tie_weights=False"
            )
        for name in names if tie_weights else given:
            planned[name] = to_tensor(values[name if name in values else given[0]])
    return [(slots[name], value) for name, value in planned.items()]


def _check_names(module: Module, slots: dict, values: dict, tie_weights: bool) -> None:
    given = {id(slots[n][0][slots[n][1]]) for n in values if n in slots}
    missing = [
        n
        for n, (held, key) in slots.items()
        if n not in values and not (tie_weights and id(held[key]) in given)
    ]
    unexpected = [n for n in values if n not in slots]
    lines = [
        f"{what} key(s): {', '.join(map(repr, sorted(keys)))}."
        for what, keys in (("Unexpected", unexpected), ("Missing", missing))
        if keys
    ]
    if lines:
        raise RuntimeError(
            "Error(s) in reparametrizing for {}:\n\t{}".format(
                type(module).__name__, "\n\t".join(lines)
            )
        )


@contextmanager
def _swapped(planned: list[tuple[_Slot, Any]]) -> Iterator[None]:
    """Puts the values in place without advancing any version: no structure has changed."""
    before = [(slot, slot[0][slot[1]]) for slot, _ in planned]
    try:
        for (held, key), value in planned:
            dict.__setitem__(held, key, value)
        yield
    finally:
        for (held, key), value in before:
            dict.__setitem__(held, key, value)
