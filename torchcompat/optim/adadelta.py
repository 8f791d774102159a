"""Adadelta."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, at_least_zero, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["Adadelta", "adadelta"]


class Adadelta(RuleOptimizer):
    """Adadelta: steps scaled by running averages of squared gradients and squared steps.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: factor of the step; a number or a one-element Tensor.
        rho: decay rate of the averages, in [0, 1].
        eps: added to both averages.
        weight_decay: factor of the L2 penalty.
        foreach, capturable: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.

    Source: Zeiler, 2012, "ADADELTA".
    """

    _rule = _rules.adadelta
    _numbers = ("lr", "rho", "eps", "weight_decay")
    _flags = ("maximize", "weight_decay")
    _slots = ("step", "square_avg", "acc_delta")
    _late = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        at_least_zero(eps, "epsilon value")
        at_least_zero(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        return {
            "step": _state.scalar(0),
            "square_avg": _state.zeros(p),
            "acc_delta": _state.zeros(p),
        }


def adadelta(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    acc_deltas: list[Tensor],
    state_steps: list[Tensor],
    capturable: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """One step of `Adadelta`, in place."""
    states = {"square_avg": square_avgs, "acc_delta": acc_deltas}
    numbers = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
    on = {"maximize": maximize, "weight_decay": weight_decay}
    apply(_rules.adadelta, params, grads, state_steps, states, numbers, on)
