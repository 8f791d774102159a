"""Rows of `torch.nn` classes, torch's `module_db` first of all, under torch and under torchcompat."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db

import torchcompat
from tests._module_rows import EXTRA, extra_inputs
from tests._parity import to_ours
from torchcompat import nn

SEED = 42
WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE"))
INFO: dict[str, ModuleInfo] = {info.name.removeprefix("nn."): info for info in module_db}
# class of torch.nn -> why it has no row
NOT_A_LAYER = {
    "LinearCrossEntropyOptions": "a record of options, exercised by LinearCrossEntropyLoss"
}
# class -> (arguments that get no gradient, reason)
NO_GRADIENT: dict[str, tuple[tuple, str]] = {
    "SoftMarginLoss": ((1,), "torch has no gradient for the target"),
    "PoissonNLLLoss": ((1,), "torch's gradient of a target of 0 is NaN"),
}
# Classes with rows: torch's table, then ours.
NAMES = [name for name in torch.nn.modules.__all__ if name in INFO or name in EXTRA]


def inputs(name: str, training: bool, dtype: torch.dtype, count: int | None) -> list[ModuleInput]:
    """At most `count` rows of a class, spread over its table; all where it is None."""
    torch.manual_seed(SEED)
    if name in INFO:
        info = INFO[name]
        rows = info.module_inputs_func(
            info, device="cpu", dtype=dtype, requires_grad=True, training=training
        )
    else:
        rows = extra_inputs(name, dtype)
    return rows if count is None else rows[:: max(1, -(-len(rows) // count))]


class Case:
    """One row: both modules with the same values, the differentiable arguments of the call."""

    def __init__(self, name: str, row: ModuleInput, training: bool, dtype: torch.dtype) -> None:
        self.name, self.row, self.training, self.dtype = name, row, training, dtype
        self.theirs, self.ours = self._constructed(dtype)
        self.leaves = self._leaves()

    def _constructed(self, dtype: torch.dtype) -> tuple[Any, Any]:
        given = self.row.constructor_input
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(torch.nn, self.name)(*given.args, **given.kwargs).to(dtype)
            args, kwargs = to_ours((tuple(given.args), dict(given.kwargs)))
            ours = getattr(nn, self.name)(*args, **kwargs).to(to_ours(dtype))
        return theirs, ours

    def load(self) -> None:
        """torch's values into ours; lazy modules get their sizes by a call first."""
        if hasattr(self.theirs, "initialize_parameters"):
            assert list(self.ours.state_dict()) == list(self.theirs.state_dict()), "lazy state_dict"
            assert self.ours.has_uninitialized_params() == self.theirs.has_uninitialized_params()
            self.call(torch), self.call(torchcompat)
            assert type(self.ours).__name__ == type(self.theirs).__name__
        self.ours.load_state_dict(to_ours(dict(self.theirs.state_dict())))
        self.ours.train(self.training), self.theirs.train(self.training)

    def _leaves(self) -> dict[Any, torch.Tensor]:
        """The floating-point arguments of the call, as fresh leaves."""
        return {
            key: x.detach().clone().requires_grad_()
            for key, x in self._named()
            if isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex())
            if key not in NO_GRADIENT.get(self.name, ((), ""))[0]
        }

    def _named(self) -> Iterable[tuple[Any, Any]]:
        given = self.row.forward_input
        return [] if given is None else [*enumerate(given.args), *given.kwargs.items()]

    def arguments(self, leaves: dict[Any, Any], convert: Any) -> tuple[tuple, dict]:
        """The call's arguments, with `leaves` in their places."""
        found = {k: leaves[k] if k in leaves else convert(x) for k, x in self._named()}
        args = tuple(found[k] for k in found if isinstance(k, int))
        return args, {k: x for k, x in found.items() if isinstance(k, str)}

    def call(self, library: Any, module: Any = None, leaves: dict | None = None) -> Any:
        """The module's output, its random numbers drawn from a fixed seed."""
        ours = library is torchcompat
        if module is None:
            module = self.ours if ours else self.theirs
        if leaves is None:
            leaves = to_ours(self.leaves) if ours else self.leaves
        args, kwargs = self.arguments(leaves, to_ours if ours else detached)
        library.manual_seed(SEED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return module(*args, **kwargs)


def detached(x: Any) -> Any:
    """A tensor that asks for no gradient."""
    return x.detach() if isinstance(x, torch.Tensor) else x


def cases(
    name: str, training: bool, dtype: torch.dtype, count: int | None
) -> Iterator[tuple[str, Any]]:
    """What each row is, and a function that makes its case."""
    for number, row in enumerate(inputs(name, training, dtype, count)):
        given = row.constructor_input
        title = f"row {number} {row.desc!r} {str((given.args, given.kwargs))[:200]}"
        yield title, lambda row=row: Case(name, row, training, dtype)
