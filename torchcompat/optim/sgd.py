"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._state import state as modes
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, at_least_zero, check_fused, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["SGD", "sgd"]


class SGD(RuleOptimizer):
    """Stochastic gradient descent, with momentum if asked for.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        momentum: the share of the last step that is kept.
        dampening: the share of the gradient that momentum leaves out.
        weight_decay: factor of the L2 penalty.
        nesterov: look ahead along the momentum; needs momentum and no dampening.
        maximize: ascend instead.
        foreach, fused: have no effect: a group is always updated in one program.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.
        RuntimeError: `fused` with `foreach` or `differentiable`.

    Source: Sutskever et al., 2013, "On the importance of initialization and momentum".
    """

    _rule = _rules.sgd
    _numbers = ("lr", "momentum", "dampening", "weight_decay")
    _flags = ("momentum", "weight_decay", "nesterov", "maximize")
    _slots = ("momentum_buffer",)
    _late = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        at_least_zero(momentum, "momentum value")
        at_least_zero(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        # The first step's buffer is its gradient. A trace needs a buffer to begin with: zeros are as
        # good, unless dampening takes its share of the first gradient too.
        if modes.capture is None or not group["momentum"] or group["dampening"]:
            return {}
        return {"momentum_buffer": _state.zeros(p)}

    def _states(self, group: dict[str, Any], params: list[Tensor]) -> dict[str, list]:
        if not group["momentum"]:
            return {}
        return {"momentum_buffer": [self.state[p].get("momentum_buffer") for p in params]}

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        known = set(self.state)
        super()._update(group, params)
        if not group["momentum"]:
            for p in params:
                if p not in known and not self.state[p]:
                    del self.state[p]


def sgd(
    params: list[Tensor],
    d_p_list: list[Tensor],
    momentum_buffer_list: list[Tensor | None],
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    *,
    weight_decay: float,
    momentum: float,
    lr: float,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of `SGD`, in place. New momentum buffers are put into `momentum_buffer_list`."""
    numbers = {
        "lr": lr,
        "momentum": momentum,
        "dampening": dampening,
        "weight_decay": weight_decay,
    }
    on = {
        "momentum": momentum,
        "weight_decay": weight_decay,
        "nesterov": nesterov,
        "maximize": maximize,
    }
    states = {"momentum_buffer": momentum_buffer_list} if momentum else {}
    unsupported = {
        "has_sparse_grad": has_sparse_grad,
        "grad_scale": grad_scale,
        "found_inf": found_inf,
    }
    apply(_rules.sgd, params, d_p_list, None, states, numbers, on, unsupported)
