"""RMSprop."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, at_least_zero, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["RMSprop", "rmsprop"]


class RMSprop(RuleOptimizer):
    """RMSprop: steps scaled by a running average of squared gradients.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        alpha: decay rate of the average.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        momentum: the share of the last step that is kept.
        centered: scale by an estimate of the gradient's variance.
        capturable, foreach: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.

    Source: Hinton, "Neural networks for machine learning", lecture 6e; Graves, 2013.
    """

    _rule = _rules.rmsprop
    _numbers = ("lr", "momentum", "alpha", "eps", "weight_decay")
    _flags = ("momentum", "centered", "maximize", "weight_decay")
    _slots = ("step", "square_avg", "momentum_buffer", "grad_avg")
    _late = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        at_least_zero(eps, "epsilon value")
        at_least_zero(momentum, "momentum value")
        at_least_zero(weight_decay, "weight_decay value")
        at_least_zero(alpha, "alpha value")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        held = {"step": _state.scalar(0), "square_avg": _state.zeros(p)}
        if group["momentum"] > 0:
            held["momentum_buffer"] = _state.zeros(p)
        if group["centered"]:
            held["grad_avg"] = _state.zeros(p)
        return held


def rmsprop(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    grad_avgs: list[Tensor],
    momentum_buffer_list: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> None:
    """One step of `RMSprop`, in place."""
    states = {"square_avg": square_avgs}
    if centered:
        states["grad_avg"] = grad_avgs
    if momentum:
        states["momentum_buffer"] = momentum_buffer_list
    numbers = {
        "lr": lr,
        "alpha": alpha,
        "eps": eps,
        "weight_decay": weight_decay,
        "momentum": momentum,
    }
    on = {
        "momentum": momentum,
        "centered": centered,
        "maximize": maximize,
        "weight_decay": weight_decay,
    }
    apply(_rules.rmsprop, params, grads, state_steps, states, numbers, on)
