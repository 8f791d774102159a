"""Calling a module with other tensors in place of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torchcompat._tensor import Cell, Tensor, as_array
from torchcompat._tensor._dispatch import ARRAYS, to_tensor
from torchcompat.nn.modules.module import Module
from torchcompat.nn.utils._derived import derived_attributes, set_derived
from torchcompat.nn.utils._named_member_accessor import NamedMemberAccessor, _home, swap_tensor

__all__ = ["functional_call"]

# A dictionary of a module and the key under which it holds a tensor.
_Slot = tuple[dict, str]


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """`torchcompat.func.functional_call` under its deprecated name; one dictionary only."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be "
        "removed in a future version of PyTorch. Please use `torch.func.functional_call` instead "
        "which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


@contextmanager
def _reparametrize_module(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    tie_weights: bool = False,
    strict: bool = False,
    stack_weights: bool = False,
) -> Iterator[None]:
    """Has `module` hold other tensors for a while.

    Where the module assigns another tensor to one of these names meanwhile, it takes the place of
    the value in `parameters_and_buffers`.

    Args:
        parameters_and_buffers: Tensors or arrays by name.
        tie_weights, strict: as for `torchcompat.func.functional_call`.
        stack_weights: has no effect: everything is put back in reverse order in any case.
    """
    values = parameters_and_buffers
    if tie_weights or strict:
        slots = _slots(module)
        values = _spread(slots, values) if tie_weights else values
    if strict:
        _check_names(module, slots, values)
    places = _places(module, values)
    given = {name: _as_member(value) for name, value in values.items()}
    derived = derived_attributes(module)
    try:
        with _swapped({name: (places[name], value) for name, value in given.items()}) as left:
            yield
    finally:
        for owner, name, value in derived:
            set_derived(owner, name, value)
    for name in left.keys() & parameters_and_buffers.keys():
        if left[name] is not given[name]:
            bare = isinstance(parameters_and_buffers[name], ARRAYS)
            parameters_and_buffers[name] = as_array(left[name]) if bare else left[name]


class _OwnCell(Cell):
    """The storage of an array that was given: a write to it ends with the call, tracer or not."""

    __slots__ = ()

    def write(self, value: Any) -> None:
        self.value = value
        self.version += 1


def _as_member(value: Any) -> Any:
    if isinstance(value, ARRAYS):
        tensor = to_tensor(value)
        tensor._cell.__class__ = _OwnCell
        return tensor
    if not isinstance(value, Tensor) and value is not None:
        raise TypeError(f"{value} is not an instance of torch.Tensor")
    return value


def _slots(module: Module) -> dict[str, _Slot]:
    """Where each parameter and buffer is kept, by name; every name of a shared one."""
    slots: dict[str, _Slot] = {}
    for prefix, one in module.named_modules(remove_duplicate=False):
        for held in (one._parameters, one._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    slots[f"{prefix}.{name}" if prefix else name] = held, name
    return slots


def _spread(slots: dict[str, _Slot], values: dict[str, Any]) -> dict[str, Any]:
    """The values, each under all names of the tensor that it replaces."""
    groups: dict[int, list[str]] = {}
    for name, (held, key) in slots.items():
        groups.setdefault(id(held[key]), []).append(name)
    spread = {name: values[name] for name in values.keys()}  # noqa: SIM118 (a list has none)
    for names in groups.values():
        given = [name for name in names if name in values]
        if not given:
            continue
        value = values[given[0]]
        if any(values[name] is not value for name in given):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, "
                "which are tied. Consider using tie_weights=False"
            )
        spread |= dict.fromkeys(names, value)
    return spread


def _check_names(module: Module, slots: dict[str, _Slot], values: dict[str, Any]) -> None:
    missing = [name for name in slots if name not in values]
    unexpected = [name for name in values if name not in slots]
    lines = [
        f"{what} key(s): {', '.join(map(repr, sorted(names)))}."
        for what, names in (("Unexpected", unexpected), ("Missing", missing))
        if names
    ]
    if lines:
        report = "\n\t".join(lines)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{report}")


def _places(module: Module, values: dict[str, Any]) -> dict[str, Callable]:
    """For each name a function that puts a tensor there and returns what was there."""
    accessor = NamedMemberAccessor(module)
    found: dict[str, Callable] = {}
    for name in values:
        owner, key = accessor._place(name)
        home = _home(owner, key)
        if home is None or home[key] is None:
            found[name] = _attribute_swapper(owner, key)
        else:
            found[name] = _slot_swapper((home, key))
    return found


def _slot_swapper(slot: _Slot) -> Callable:
    held, key = slot

    def swap(value: Any) -> Any:
        before = held[key]
        # Past the dictionary's own bookkeeping: the module's structure does not change.
        dict.__setitem__(held, key, value)
        return before

    return swap


def _attribute_swapper(owner: Module, name: str) -> Callable:
    """For a tensor that is neither parameter nor buffer: a plain or parametrized attribute."""
    return lambda value: swap_tensor(owner, name, value, allow_missing=True)


@contextmanager
def _swapped(planned: dict[str, tuple[Callable, Any]]) -> Iterator[dict[str, Any]]:
    """Puts values in place; gives a dictionary that holds afterwards what was then found there."""
    left: dict[str, Any] = {}
    before: dict[str, Any] = {}
    try:
        for name, (swap, value) in planned.items():
            before[name] = swap(value)
        yield left
    finally:
        for name, value in reversed(before.items()):
            left[name] = planned[name][0](value)
