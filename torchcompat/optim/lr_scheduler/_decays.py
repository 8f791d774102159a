"""Schedules that multiply the rates by a factor of the epoch alone."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from torchcompat.optim.lr_scheduler._base import LRScheduler, warn_outside_step
from torchcompat.optim.optimizer import Optimizer


class _Decay(LRScheduler):
    """A schedule with a factor from each epoch to the next, and one from the first epoch on."""

    def _step_factor(self) -> float | None:
        """What the rates are multiplied by at this epoch; None: they stay."""
        raise NotImplementedError

    def _factor(self) -> float:
        """What the initial rates are multiplied by at this epoch."""
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        """Computes the rates of this step."""
        warn_outside_step(self)
        return self._lrs(self._step_factor())

    def _get_closed_form_lr(self) -> list[Any]:
        factor = self._factor()
        return [base * factor for base in self.base_lrs]


class StepLR(_Decay):
    """Multiplies the rates by `gamma` every `step_size` epochs.

    Args:
        optimizer: whose groups' `lr` is set.
        step_size: epochs between two changes.
        gamma: the factor.
        last_epoch: the epoch to go on from; -1 begins.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _step_factor(self) -> float | None:
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return None
        return self.gamma

    def _factor(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_Decay):
    """Multiplies the rates by `gamma` at each of some epochs.

    Args:
        optimizer: whose groups' `lr` is set.
        milestones: the epochs; one that is named twice counts twice.
        gamma: the factor.
        last_epoch: the epoch to go on from; -1 begins.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _step_factor(self) -> float | None:
        if self.last_epoch not in self.milestones:
            return None
        return self.gamma ** self.milestones[self.last_epoch]

    def _factor(self) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(_Decay):
    """Multiplies the rates by `factor` until `total_iters` epochs have passed.

    Args:
        optimizer: whose groups' `lr` is set.
        factor: in [0, 1].
        total_iters: epochs until the initial rates hold.
        last_epoch: the epoch to go on from; -1 begins.

    Raises:
        ValueError: `factor` is out of its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _step_factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else None

    def _factor(self) -> float:
        return self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(_Decay):
    """Multiplies the rates by a factor that goes straight from one value to another.

    Args:
        optimizer: whose groups' `lr` is set.
        start_factor: the factor at first, in (0, 1].
        end_factor: the factor in the end, in [0, 1].
        total_iters: epochs that the way takes.
        last_epoch: the epoch to go on from; -1 begins.

    Raises:
        ValueError: a factor is out of its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal "
                "to 1."
            )
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _step_factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        way = self.end_factor - self.start_factor
        so_far = self.total_iters * self.start_factor + (self.last_epoch - 1) * way
        return 1.0 + way / so_far

    def _factor(self) -> float:
        way = self.end_factor - self.start_factor
        return self.start_factor + way * min(self.total_iters, self.last_epoch) / self.total_iters


class ExponentialLR(_Decay):
    """Multiplies the rates by `gamma` every epoch.

    Args:
        optimizer: whose groups' `lr` is set.
        gamma: the factor.
        last_epoch: the epoch to go on from; -1 begins.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _step_factor(self) -> float | None:
        return None if self._is_initial else self.gamma

    def _factor(self) -> float:
        return self.gamma**self.last_epoch


class PolynomialLR(_Decay):
    """Lets the rates fall to zero as a power of the epochs left.

    Args:
        optimizer: whose groups' `lr` is set.
        total_iters: epochs until zero.
        power: the power.
        last_epoch: the epoch to go on from; -1 begins.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _left(self, epoch: int) -> float:
        return 1.0 - epoch / self.total_iters

    def _step_factor(self) -> float | None:
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        return (self._left(self.last_epoch) / self._left(self.last_epoch - 1)) ** self.power

    def _factor(self) -> float:
        return self._left(min(self.total_iters, self.last_epoch)) ** self.power
