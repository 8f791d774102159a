"""Adam."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import (
    RuleOptimizer,
    apply,
    at_least_zero,
    check_betas,
    check_fused,
    check_lr,
)
from torchcompat.optim.optimizer import ParamsT

__all__ = ["Adam", "adam"]


class Adam(RuleOptimizer):
    """Adam: steps scaled by running averages of the gradient and of its square.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        betas: decay rates of the two averages, each in [0, 1); two numbers or two Tensors.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        amsgrad: use the largest second average so far.
        foreach, fused, capturable: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.
        decoupled_weight_decay: shrink the parameters themselves, as AdamW does.

    Raises:
        ValueError: an option is out of its range.
        RuntimeError: `fused` with `foreach` or `differentiable`.

    Source: Kingma and Ba, 2014, "Adam"; Reddi, Kale and Kumar, 2018 (AMSGrad).
    """

    _rule = _rules.adam
    _numbers = ("lr", "betas", "eps", "weight_decay")
    _flags = ("amsgrad", "maximize", "weight_decay", "decoupled_weight_decay")
    _slots = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    _late = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        _check_tensor("lr", lr, foreach and not capturable)
        check_lr(lr)
        at_least_zero(eps, "epsilon value")
        check_betas(betas)
        at_least_zero(weight_decay, "weight_decay value")
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for index in (0, 1):
            name = f"betas[{index}]"
            _check_tensor(name, betas[index], foreach and not capturable)
            if isinstance(betas[index], Tensor) and betas[index].numel() != 1:
                raise ValueError(f"Tensor {name} must be 1-element")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        held = {"step": _state.scalar(0), "exp_avg": _state.zeros(p), "exp_avg_sq": _state.zeros(p)}
        if group["amsgrad"]:
            held["max_exp_avg_sq"] = _state.zeros(p)
        return held


def _check_tensor(name: str, value: Any, refused: Any) -> None:
    if isinstance(value, Tensor) and refused:
        raise ValueError(
            f"{name} as a Tensor is not supported for capturable=False and foreach=True"
        )


def adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    decoupled_weight_decay: bool = False,
    *,
    amsgrad: bool,
    beta1: float | Tensor,
    beta2: float | Tensor,
    lr: float | Tensor,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """One step of `Adam`, in place."""
    states = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs}
    if amsgrad:
        states["max_exp_avg_sq"] = max_exp_avg_sqs
    numbers = {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay, "eps": eps}
    on = {
        "amsgrad": amsgrad,
        "maximize": maximize,
        "weight_decay": weight_decay,
        "decoupled_weight_decay": decoupled_weight_decay,
    }
    unsupported = {"grad_scale": grad_scale, "found_inf": found_inf}
    apply(_rules.adam, params, grads, state_steps, states, numbers, on, unsupported)
