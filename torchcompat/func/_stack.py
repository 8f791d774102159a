"""The states of several modules as one, for `vmap` over an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._autograd import no_grad
from torchcompat.nn.modules.module import Module


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of `models`, each stacked along a new first dimension.

    Raises:
        RuntimeError: no models are given, or they differ in class or mode.
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = _stacked([dict(m.named_parameters()) for m in models])
    buffers = _stacked([dict(m.named_buffers()) for m in models])
    return params, buffers


def _stacked(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    found = {}
    for name, first in states[0].items():
        with no_grad():
            one = ops.stack([state[name].detach() for state in states], 0)
        found[name] = one.requires_grad_(first.requires_grad)
    return found
