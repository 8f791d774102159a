"""`LRScheduler`, the base of all schedules, and how groups' options are read and written."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.optim.optimizer import Optimizer, _to_scalar

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch "
    "is different from None, the closed form is used instead of the new chainable form, where "
    "available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
_SEE = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


def check_optimizer(optimizer: Any) -> Optimizer:
    """Raises torch's error for what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def copied(value: Any) -> Any:
    """A value that a later in-place write to the group's own does not change."""
    return value.clone() if isinstance(value, Tensor) else value


def values_of(optimizer: Optimizer, key: str) -> list[Any]:
    """One option of every group."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Sets an option of a group; one that is a Tensor is written in place."""
    if isinstance(group[key], Tensor):
        group[key].fill_(_to_scalar(value))
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """An argument that is one value or one for each group, as the latter.

    Raises:
        ValueError: there are more or fewer values than groups.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(count)]
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(value)} values, param_groups has {count}."
        )
    return list(map(copied, value))


@contextmanager
def within_step(scheduler: LRScheduler) -> Iterator[None]:
    """While a step asks `get_lr` for the rates."""
    scheduler._get_lr_called_within_step = True
    try:
        yield
    finally:
        scheduler._get_lr_called_within_step = False


@contextmanager
def at_first(scheduler: LRScheduler) -> Iterator[None]:
    """While a scheduler takes its first step, in its constructor."""
    scheduler._is_initial = True
    try:
        yield
    finally:
        scheduler._is_initial = False


def warn_outside_step(scheduler: LRScheduler) -> None:
    """Warns that `get_lr` is not what a user should call."""
    if not scheduler._get_lr_called_within_step:
        warnings.warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            UserWarning,
            stacklevel=3,
        )


def counted(optimizer: Optimizer) -> None:
    """Has the optimizer note that its `step` was called."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    step = optimizer.step
    reference = weakref.ref(optimizer)

    @functools.wraps(step.__func__)  # type: ignore[attr-defined]
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        own: Any = reference()
        own._opt_called = True
        return plain(own, type(own))(*args, **kwargs)

    plain: Callable = step.__func__.__get__  # type: ignore[attr-defined]
    wrapper._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = wrapper  # type: ignore[method-assign]


class LRScheduler:
    """Base of all schedules. A subclass writes `get_lr`, from the rates of the step before.

    Args:
        optimizer: whose groups' `lr` is set.
        last_epoch: the epoch to go on from; at -1 the groups' rates now are the initial ones.

    Attributes:
        base_lrs: the initial rates, one a group.
        last_epoch: the number of the last step.

    Raises:
        TypeError: `optimizer` is none.
        KeyError: a schedule is resumed on groups without `initial_lr`.
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(optimizer)
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", copied(group["lr"]))
        else:
            _check_initial(optimizer)
        self.base_lrs: list[Any] = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        counted(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        with at_first(self):
            self.step()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates that the last step set, one a group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """Computes the rates of this step, one a group."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Sets the groups' rates for the next epoch.

        Args:
            epoch: the epoch to go to, by the closed form where there is one. Deprecated.
        """
        if self._step_count == 1:
            self._warn_of_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _warn_of_order(self) -> None:
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            text = (
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before "
                f"`lr_scheduler.step()`. {_SEE}"
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            text = (
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 "
                "and later, you should call them in the opposite order: `optimizer.step()` before "
                "`lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the "
                f"first value of the learning rate schedule. {_SEE}"
            )
        else:
            return
        warnings.warn(text, UserWarning, stacklevel=3)

    def _update_lr(self, epoch: int | None = None) -> None:
        with within_step(self):
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                closed = getattr(self, "_get_closed_form_lr", None)
                values = self.get_lr() if closed is None else closed()
        for group, lr in zip(self.optimizer.param_groups, values):
            set_value(group, "lr", lr)
        self._last_lr: list[Any] = values_of(self.optimizer, "lr")

    def _lrs(self, factor: Any = None) -> list[Any]:
        """The rates now, times `factor` if given."""
        lrs = values_of(self.optimizer, "lr")
        return lrs if factor is None else [lr * factor for lr in lrs]


class _LRScheduler(LRScheduler):
    """The base's old name."""


def _check_initial(optimizer: Optimizer) -> None:
    for number, group in enumerate(optimizer.param_groups):
        if "initial_lr" not in group:
            raise KeyError(
                f"param 'initial_lr' is not specified in param_groups[{number}] when resuming "
                "scheduler with last_epoch >= 0.\nThis typically happens when:\n1. You're trying to "
                "resume training from a checkpoint but haven't properly loaded the optimizer state\n"
                "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
            )
