"""Muon."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim import _matrix_rules, _state
from torchcompat.optim._adafactor import refuse_complex
from torchcompat.optim._ruled import RuleOptimizer, apply
from torchcompat.optim.optimizer import ParamsT

__all__ = ["Muon"]

DEFAULT_A, DEFAULT_B, DEFAULT_C = 3.4445, -4.7750, 2.0315
DEFAULT_NS_STEPS = 5
EPS = 1e-7
_RATES = (None, "original", "match_rms_adamw")


class Muon(RuleOptimizer):
    """Muon: momentum of matrices, made orthogonal by Newton-Schulz iterations.

    Args:
        params: two-dimensional parameters, `(name, parameter)` pairs, or groups of them.
        lr: the learning rate per step.
        weight_decay: the parameters are multiplied by `1 - lr * weight_decay` each step.
        momentum: decay rate of the gradient's average.
        nesterov: look ahead along the momentum.
        ns_coefficients: coefficients of the iteration's polynomial.
        eps: the least norm that is divided by.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: how the rate follows from a matrix's size: `original` (or None) or
            `match_rms_adamw`.

    Raises:
        ValueError: an option is out of its range, or a parameter is no matrix.

    Source: Jordan et al., 2024, "Muon"; Liu et al., 2025, "Muon is scalable for LLM training".
    """

    _rule = _matrix_rules.muon
    _numbers = ("lr", "weight_decay", "momentum", "ns_coefficients", "eps")
    _flags = ("nesterov",)
    _slots = ("momentum_buffer",)

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (DEFAULT_A, DEFAULT_B, DEFAULT_C),
        eps: float = EPS,
        ns_steps: int = DEFAULT_NS_STEPS,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in _RATES:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.size()}"
                    )

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        return {"momentum_buffer": _state.zeros(p)}

    def _on(self, group: dict[str, Any]) -> frozenset[str]:
        return super()._on(group) | _static(
            group["ns_steps"], group["adjust_lr_fn"], group["ns_coefficients"]
        )

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        refuse_complex(params, "Muon")
        super()._update(group, params)


def _static(steps: int, rate: str | None, coefficients: tuple) -> frozenset[str]:
    """The options that shape the program.

    Raises:
        ValueError: there are too many steps, or not three coefficients.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    return frozenset({f"steps={steps}", rate or "original"})


def muon(
    params: list[Tensor],
    grads: list[Tensor],
    muon_momentum_bufs: list[Tensor],
    *,
    foreach: bool | None = None,
    lr: float,
    weight_decay: float,
    momentum: float,
    nesterov: bool,
    ns_coefficients: tuple[float, float, float],
    ns_steps: int,
    eps: float,
    adjust_lr_fn: str | None,
    has_complex: bool,
) -> None:
    """One step of `Muon`, in place."""
    a, b, c = ns_coefficients
    static = _static(ns_steps, adjust_lr_fn, ns_coefficients)
    numbers = {
        "lr": lr,
        "weight_decay": weight_decay,
        "momentum": momentum,
        "a": a,
        "b": b,
        "c": c,
        "eps": eps,
    }
    on = {"nesterov": nesterov, **dict.fromkeys(static, True)}
    states = {"momentum_buffer": muon_momentum_bufs}
    apply(_matrix_rules.muon, params, grads, None, states, numbers, on)
