"""Adagrad."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, at_least_zero, check_fused, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["Adagrad", "adagrad"]


class Adagrad(RuleOptimizer):
    """Adagrad: steps scaled by the sum of all squared gradients so far.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        lr_decay: the rate is divided by `1 + (step - 1) * lr_decay`.
        weight_decay: factor of the L2 penalty.
        initial_accumulator_value: what the sums start from.
        eps: added to the denominator.
        foreach, fused: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.
        RuntimeError: `fused` with `foreach` or `differentiable`.

    Source: Duchi, Hazan and Singer, 2011, "Adaptive subgradient methods".
    """

    _rule = _rules.adagrad
    _numbers = ("lr", "lr_decay", "eps", "weight_decay")
    _flags = ("maximize", "weight_decay")
    _slots = ("step", "sum")
    _late = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        at_least_zero(lr_decay, "lr_decay value")
        at_least_zero(weight_decay, "weight_decay value")
        at_least_zero(initial_accumulator_value, "initial_accumulator_value value")
        at_least_zero(eps, "epsilon value")
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(self._initial(group, p))

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        value = group["initial_accumulator_value"]
        start = complex(value, value) if p.is_complex() else value
        return {"step": _state.scalar(0), "sum": _state.full(start, p)}

    def share_memory(self) -> None:
        """Moves the state to memory that processes share."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["step"].share_memory_()
                self.state[p]["sum"].share_memory_()


def adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    state_sums: list[Tensor],
    state_steps: list[Tensor],
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: float,
    weight_decay: float,
    lr_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """One step of `Adagrad`, in place."""
    numbers = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
    on = {"maximize": maximize, "weight_decay": weight_decay}
    unsupported = {
        "has_sparse_grad": has_sparse_grad,
        "grad_scale": grad_scale,
        "found_inf": found_inf,
    }
    apply(_rules.adagrad, params, grads, state_steps, {"sum": state_sums}, numbers, on, unsupported)
