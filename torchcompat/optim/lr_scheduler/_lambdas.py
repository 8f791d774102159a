"""Schedules given by functions of the epoch."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from torchcompat.optim.lr_scheduler._base import LRScheduler, check_optimizer, warn_outside_step
from torchcompat.optim.optimizer import Optimizer


class _Functions(LRScheduler):
    """One function for each group, or one for all.

    Args:
        lr_lambda: a function of the epoch that gives a factor, or a list with one a group.

    The other arguments are those of `LRScheduler`. Functions are not part of `state_dict`; callable
    objects are, by their attributes.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(optimizer)
        count = len(optimizer.param_groups)
        self.lr_lambdas: list[Callable[[int], float]]
        if isinstance(lr_lambda, (list, tuple)):
            if len(lr_lambda) != count:
                raise ValueError(f"Expected {count} lr_lambdas, but got {len(lr_lambda)}")
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * count
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; of the functions, what callable objects hold."""
        state = super().state_dict()
        del state["lr_lambdas"]
        state["lr_lambdas"] = [
            None if isinstance(f, types.FunctionType) else f.__dict__.copy()
            for f in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` returned; functions stay."""
        state = dict(state_dict)
        for f, held in zip(self.lr_lambdas, state.pop("lr_lambdas")):
            if held is not None:
                f.__dict__.update(held)
        self.__dict__.update(state)


class LambdaLR(_Functions):
    """The initial rates times a function of the epoch."""

    __doc__ += _Functions.__doc__.partition("\n")[2]  # type: ignore[operator]

    def get_lr(self) -> list[Any]:
        """Computes the rates of this step."""
        warn_outside_step(self)
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(_Functions):
    """The rates of the step before times a function of the epoch."""

    __doc__ += _Functions.__doc__.partition("\n")[2]  # type: ignore[operator]

    def get_lr(self) -> list[Any]:
        """Computes the rates of this step."""
        warn_outside_step(self)
        if self._is_initial:
            return self._lrs()
        return [lr * f(self.last_epoch) for lr, f in zip(self._lrs(), self.lr_lambdas)]
