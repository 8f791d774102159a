"""Adamax."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, at_least_zero, check_betas, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["Adamax", "adamax"]


class Adamax(RuleOptimizer):
    """Adam with the infinity norm of past gradients in place of their mean square.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        betas: decay rates of the gradient's average and of the norm, each in [0, 1).
        eps: added to the gradient's magnitude.
        weight_decay: factor of the L2 penalty.
        foreach, capturable: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.

    Source: Kingma and Ba, 2014, "Adam".
    """

    _rule = _rules.adamax
    _numbers = ("lr", "betas", "eps", "weight_decay")
    _flags = ("maximize", "weight_decay")
    _slots = ("step", "exp_avg", "exp_inf")
    _late = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        at_least_zero(eps, "epsilon value")
        check_betas(betas)
        at_least_zero(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        return {"step": _state.scalar(0), "exp_avg": _state.zeros(p), "exp_inf": _state.zeros(p)}


def adamax(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_infs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr: float,
    weight_decay: float,
) -> None:
    """One step of `Adamax`, in place."""
    states = {"exp_avg": exp_avgs, "exp_inf": exp_infs}
    numbers = {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay, "eps": eps}
    on = {"maximize": maximize, "weight_decay": weight_decay}
    apply(_rules.adamax, params, grads, state_steps, states, numbers, on)
