"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, at_least_zero, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["ASGD", "asgd"]


class ASGD(RuleOptimizer):
    """Stochastic gradient descent that keeps an average of the parameters (`state[p]["ax"]`).

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        lambd: decay term.
        alpha: power with which the rate falls.
        t0: the step at which averaging begins.
        weight_decay: factor of the L2 penalty.
        foreach, capturable: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.

    Source: Polyak and Juditsky, 1992, "Acceleration of stochastic approximation by averaging".
    """

    _rule = _rules.asgd
    _numbers = ("lr", "lambd", "alpha", "t0", "weight_decay")
    _flags = ("maximize", "weight_decay")
    _slots = ("step", "eta", "mu", "ax")
    _late = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        at_least_zero(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        return {
            "step": _state.scalar(0),
            "eta": _state.scalar(float(group["lr"])),
            "mu": _state.scalar(1),
            "ax": _state.zeros(p),
        }


def asgd(
    params: list[Tensor],
    grads: list[Tensor],
    axs: list[Tensor],
    mus: list[Tensor],
    etas: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lambd: float,
    lr: float,
    t0: float,
    alpha: float,
    weight_decay: float,
) -> None:
    """One step of `ASGD`, in place."""
    states = {"eta": etas, "mu": mus, "ax": axs}
    numbers = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
    on = {"maximize": maximize, "weight_decay": weight_decay}
    apply(_rules.asgd, params, grads, state_steps, states, numbers, on)
