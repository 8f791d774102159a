"""Schedules that cycle the rates, and the momentum against them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any, Literal

from torchcompat._tensor import Tensor
from torchcompat.optim.lr_scheduler._base import (
    LRScheduler,
    check_optimizer,
    per_group,
    warn_outside_step,
)
from torchcompat.optim.optimizer import Optimizer


class _Cycle(LRScheduler):
    """What the two share: a momentum that goes against the rates."""

    cycle_momentum: bool
    use_beta1: bool

    def _begin_momentum(self, base: Any, top: Any, begins: bool) -> tuple[list, list]:
        """Reads the momentum's bounds; at the beginning, groups get them and the upper one is set."""
        optimizer = self.optimizer
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )
        self.use_beta1 = "betas" in optimizer.defaults
        bases = per_group("base_momentum", optimizer, base)
        tops = per_group("max_momentum", optimizer, top)
        if begins:
            for low, high, group in zip(bases, tops, optimizer.param_groups):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        return bases, tops

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_Cycle):
    """Moves the rates up and down between two bounds, step by step.

    Args:
        optimizer: whose groups' `lr` is set.
        base_lr, max_lr: the bounds; one value, or one for each group.
        step_size_up: steps on the way up.
        step_size_down: steps on the way down. Default: as many.
        mode: `triangular`; `triangular2` halves the height every cycle; `exp_range` multiplies it by
            `gamma` every step.
        gamma: factor of `exp_range`.
        scale_fn: a function that scales the height, in place of `mode`.
        scale_mode: whether `scale_fn` is of the `cycle` or of the `iterations`.
        cycle_momentum: move the momentum (or the first beta) against the rates.
        base_momentum, max_momentum: its bounds; one value, or one for each group.
        last_epoch: the step to go on from; -1 begins.

    Raises:
        ValueError: `mode` is none of these, or the optimizer has no momentum to cycle.

    Source: Smith, 2015, "Cyclical learning rates for training neural networks".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(optimizer)
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups):
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(lr)
                else:
                    group["lr"] = lr
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode: str = scale_mode
        self._init_scale_fn()
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            bases, tops = self._begin_momentum(base_momentum, max_momentum, last_epoch == -1)
            self.base_momentums, self.max_momentums = bases, tops
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _init_scale_fn(self) -> None:
        if self._scale_fn_custom is not None:
            return
        self._scale_fn_ref: Callable[[float], float]
        if self.mode == "exp_range":
            self._scale_fn_ref = partial(self._exp_range_scale_fn, self.gamma)
            self.scale_mode = "iterations"
            return
        halved = self.mode == "triangular2"
        self._scale_fn_ref = self._triangular2_scale_fn if halved else self._triangular_scale_fn
        self.scale_mode = "cycle"

    def scale_fn(self, x: float) -> float:
        """What the height is multiplied by in a cycle or at a step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return self._scale_fn_ref(x)

    @staticmethod
    def _triangular_scale_fn(x: float) -> float:
        return 1.0

    @staticmethod
    def _triangular2_scale_fn(x: float) -> float:
        return 1 / (2.0 ** (x - 1))

    @staticmethod
    def _exp_range_scale_fn(gamma: float, x: float) -> float:
        return gamma**x

    def get_lr(self) -> list[Any]:
        """Computes the rates of this step; sets the momentum as well."""
        warn_outside_step(self)
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        place = 1.0 + self.last_epoch / self.total_size - cycle
        if place <= self.step_ratio:
            height = place / self.step_ratio
        else:
            height = (place - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            groups = self.optimizer.param_groups
            for low, high, group in zip(self.base_momentums, self.max_momentums, groups):
                self._set_momentum(group, high - (high - low) * height * scale)
        return [
            low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs)
        ]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; of a custom `scale_fn`, what a callable object holds."""
        state = super().state_dict()
        state.pop("_scale_fn_ref", None)
        fn = state.pop("_scale_fn_custom")
        state["_scale_fn_custom"] = None
        if fn is not None and not isinstance(fn, FunctionType):
            state["_scale_fn_custom"] = fn.__dict__.copy()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` returned; a custom `scale_fn` stays."""
        state = dict(state_dict)
        held = state.pop("_scale_fn_custom")
        super().load_state_dict(state)
        if held is not None:
            self._scale_fn_custom.__dict__.update(held)
        self._init_scale_fn()


class OneCycleLR(_Cycle):
    """Moves the rates once up and then far down, step by step.

    Args:
        optimizer: whose groups' `lr` is set.
        max_lr: the highest rate; one value, or one for each group.
        total_steps: steps of the whole cycle; or give `epochs` and `steps_per_epoch`.
        pct_start: share of the steps on the way up.
        anneal_strategy: `cos` or `linear`.
        cycle_momentum: move the momentum (or the first beta) against the rates.
        base_momentum, max_momentum: its bounds; one value, or one for each group.
        div_factor: the first rate is `max_lr / div_factor`.
        final_div_factor: the last rate is the first one divided by this.
        three_phase: go back to the first rate before going further down.
        last_epoch: the step to go on from; -1 begins.

    Raises:
        ValueError: an argument is of the wrong kind or out of its range.

    Source: Smith and Topin, 2017, "Super-convergence".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(optimizer)
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type: str = anneal_strategy
        tops = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for top, group in zip(tops, optimizer.param_groups):
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def _anneal_func(self, start: Any, end: Any, share: float) -> Any:
        if not hasattr(self, "_anneal_func_type"):  # an old checkpoint holds the function itself
            return self.anneal_func(start, end, share)  # type: ignore[attr-defined]
        if self._anneal_func_type == "cos":
            return self._annealing_cos(start, end, share)
        return self._annealing_linear(start, end, share)

    @staticmethod
    def _annealing_cos(start: Any, end: Any, pct: float) -> Any:
        return end + (start - end) / 2.0 * (math.cos(math.pi * pct) + 1)

    @staticmethod
    def _annealing_linear(start: Any, end: Any, pct: float) -> Any:
        return (end - start) * pct + start

    def _phase(self) -> tuple[dict[str, Any], float]:
        """The phase of this step and how much of it has passed."""
        start = 0.0
        for phase in self._schedule_phases:
            if self.last_epoch <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            start = phase["end_step"]
        return phase, (self.last_epoch - start) / (phase["end_step"] - start)

    def get_lr(self) -> list[Any]:
        """Computes the rates of this step; sets the momentum as well.

        Raises:
            ValueError: all steps have been taken.
        """
        warn_outside_step(self)
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"Tried to step {self.last_epoch} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        phase, share = self._phase()
        lrs = []
        for group in self.optimizer.param_groups:
            ends = group[phase["start_lr"]], group[phase["end_lr"]]
            lrs.append(self._anneal_func(*ends, share))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._anneal_func(*ends, share))
        return lrs


def _total(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total_steps is not None:
        return _positive("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    return _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)


def _positive(name: str, value: Any) -> int:
    if value <= 0 or not isinstance(value, int):
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


def _phases(total: int, share: float, three: bool) -> list[dict[str, Any]]:
    """For each phase its last step, and the names of its bounds in a group."""
    names = "end_step", "start_lr", "end_lr", "start_momentum", "end_momentum"
    up = float(share * total) - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"
    if three:
        back = float(2 * share * total) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"
        down = total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"
        return [dict(zip(names, one)) for one in (up, back, down)]
    down = total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"
    return [dict(zip(names, one)) for one in (up, down)]
