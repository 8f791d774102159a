"""Adafactor."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _matrix_rules, _state
from torchcompat.optim._ruled import RuleOptimizer, apply
from torchcompat.optim.optimizer import ParamsT

__all__ = ["Adafactor", "adafactor"]


class Adafactor(RuleOptimizer):
    """Adafactor: the second average of a matrix is kept as one row and one column.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the largest relative step; a number or a one-element Tensor.
        beta2_decay: power of the step number, at most 0, that the average's new share falls with.
        eps: the least second moment (None: the dtype's precision) and the least parameter scale.
        d: updates with a larger root mean square are scaled down to it; at least 1.
        weight_decay: the parameters are multiplied by `1 - lr * weight_decay` each step.
        foreach: has no effect: a group is always updated in one program.
        maximize: ascend instead.

    Raises:
        ValueError: an option is out of its range.

    Source: Shazeer and Stern, 2018, "Adafactor".
    """

    _rule = _matrix_rules.adafactor
    _numbers = ("lr", "beta2_decay", "eps", "d", "weight_decay")
    _flags = ("maximize", "weight_decay")
    _slots = ("step", "row_var", "col_var", "variance")
    _late = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        held = {"step": _state.scalar(0)}
        if p.dim() > 1:
            rows, columns = list(p.shape), list(p.shape)
            rows[-1] = columns[-2] = 1
            held["row_var"] = _state.full(0, p, rows)
            held["col_var"] = _state.full(0, p, columns)
        else:
            held["variance"] = _state.zeros(p)
        return held

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        refuse_complex(params, "Adafactor")
        super()._update(group, params)


def refuse_complex(params: list[Tensor], name: str) -> None:
    """Raises torch's error for complex parameters."""
    if any(p.is_complex() for p in params):
        raise RuntimeError(f"{name} does not support complex parameters")


def adafactor(
    params: list[Tensor],
    grads: list[Tensor],
    row_vars: list[Tensor | None],
    col_vars: list[Tensor | None],
    variances: list[Tensor | None],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    *,
    d: float,
    lr: float | Tensor,
    beta2_decay: float,
    weight_decay: float,
    eps1: float,
    eps2: float,
    maximize: bool,
) -> None:
    """One step of `Adafactor`, in place."""
    refuse_complex(params, "Adafactor")
    states = {"row_var": row_vars, "col_var": col_vars, "variance": variances}
    states = {k: v for k, v in states.items() if any(x is not None for x in v)}
    numbers = {
        "lr": lr,
        "d": d,
        "beta2_decay": beta2_decay,
        "weight_decay": weight_decay,
        "eps1": eps1,
        "eps2": eps2,
    }
    on = {"maximize": maximize, "weight_decay": weight_decay}
    unsupported = {"grad_scale": grad_scale, "found_inf": found_inf}
    rule = _matrix_rules.adafactor
    apply(rule, params, grads, state_steps, states, numbers, on, unsupported)
