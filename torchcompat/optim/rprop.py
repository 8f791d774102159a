"""Rprop."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply, check_lr
from torchcompat.optim.optimizer import ParamsT

__all__ = ["Rprop", "rprop"]


class Rprop(RuleOptimizer):
    """Resilient backpropagation: step sizes of their own, which grow while the sign stays.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the first step size; a number or a one-element Tensor.
        etas: factors by which a step shrinks and grows; one below and one above 1.
        step_sizes: the smallest and the largest step size.
        capturable, foreach: have no effect: a group is always updated in one program.
        maximize: ascend instead.
        differentiable: record the step in the graph.

    Raises:
        ValueError: an option is out of its range.

    Source: Riedmiller and Braun, 1993, "A direct adaptive method for faster backpropagation learning".
    """

    _rule = _rules.rprop
    _numbers = ("etas", "step_sizes")
    _flags = ("maximize",)
    _slots = ("step", "prev", "step_size")
    _late = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        lr = float(group["lr"])
        size = complex(lr, lr) if p.is_complex() else lr
        return {
            "step": _state.scalar(0),
            "prev": _state.zeros(p),
            "step_size": _state.full(size, p),
        }


def rprop(
    params: list[Tensor],
    grads: list[Tensor],
    prevs: list[Tensor],
    step_sizes: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    maximize: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    step_size_min: float,
    step_size_max: float,
    etaminus: float,
    etaplus: float,
) -> None:
    """One step of `Rprop`, in place."""
    states = {"prev": prevs, "step_size": step_sizes}
    numbers = {
        "step_size_min": step_size_min,
        "step_size_max": step_size_max,
        "etaminus": etaminus,
        "etaplus": etaplus,
    }
    apply(_rules.rprop, params, grads, state_steps, states, numbers, {"maximize": maximize})
