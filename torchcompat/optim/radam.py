"""RAdam."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, at_least_zero, check_betas, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["RAdam", "radam"]


class RAdam(RuleOptimizer):
    """Adam that does without the second average until its variance is tractable.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        betas: decay rates of the averages of the gradient and its square, each in [0, 1).
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay where that is decoupled.
        decoupled_weight_decay: shrink the parameters themselves, as AdamW does.
        foreach, capturable: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.

    Source: Liu et al., 2019, "On the variance of the adaptive learning rate and beyond".
    """

    _rule = _rules.radam
    _numbers = ("lr", "betas", "eps", "weight_decay")
    _flags = ("maximize", "weight_decay", "decoupled_weight_decay")
    _slots = ("step", "exp_avg", "exp_avg_sq")
    _late = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        return {"step": _state.scalar(0), "exp_avg": _state.zeros(p), "exp_avg_sq": _state.zeros(p)}


def radam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr: float,
    weight_decay: float,
    eps: float,
) -> None:
    """One step of `RAdam`, in place."""
    states = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs}
    numbers = {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay, "eps": eps}
    on = {
        "maximize": maximize,
        "weight_decay": weight_decay,
        "decoupled_weight_decay": decoupled_weight_decay,
    }
    apply(_rules.radam, params, grads, state_steps, states, numbers, on)
