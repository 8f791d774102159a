"""Averages of a model's parameters over training. Source: Izmailov et al., 2018, "Averaging weights"."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, Literal

from torchcompat import _device, _dtype
from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._factory import tensor as new_tensor
from torchcompat.nn.modules.batchnorm import _BatchNorm
from torchcompat.nn.modules.module import Module
from torchcompat.optim.lr_scheduler._base import LRScheduler, per_group, warn_outside_step
from torchcompat.optim.optimizer import Optimizer

__all__ = [
    "AveragedModel",
    "update_bn",
    "SWALR",
    "get_ema_multi_avg_fn",
    "get_swa_multi_avg_fn",
    "get_ema_avg_fn",
    "get_swa_avg_fn",
]

PARAM_LIST = tuple[Tensor, ...] | list[Tensor]
_Average = Callable[[Tensor, Tensor, Any], Tensor]
_Averages = Callable[[Any, Any, Any], None]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def _can_lerp(x: Tensor) -> bool:
    return x.dtype.is_floating_point or x.dtype.is_complex


def get_ema_multi_avg_fn(decay: float = 0.999) -> _Averages:
    """A function that moves lists of averages towards new values, by `1 - decay` of the way."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list: Any, current_param_list: Any, _: Any) -> None:
        for average, new in zip(ema_param_list, current_param_list):
            if _can_lerp(average):
                average.lerp_(new, 1 - decay)
            else:
                average.copy_(average * decay + new * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> _Averages:
    """A function that takes new values into lists of equally weighted averages."""

    @no_grad()
    def swa_update(averaged_param_list: Any, current_param_list: Any, num_averaged: Any) -> None:
        for average, new in zip(averaged_param_list, current_param_list):
            if _can_lerp(average):
                average.lerp_(new, float(1 / (num_averaged + 1)))
            else:
                average.copy_(average + (new - average) / (num_averaged + 1))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> _Average:
    """A function of an average and a new value: the average moved by `1 - decay` of the way."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> _Average:
    """A function of an average, a new value and how many it is of: the average of one more."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are an average over those that it is shown.

    Args:
        model: the model; it is copied.
        device: where the averages are kept. Default: where the model is.
        avg_fn: a function of average, new value and number averaged. Default: equal weights.
        multi_avg_fn: the same on lists, in place.
        use_buffers: average buffers as well; otherwise they are copied.

    Raises:
        AssertionError: both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: int | _device.device | None = None,
        avg_fn: _Average | None = None,
        multi_avg_fn: _Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", new_tensor(0, dtype=_dtype.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the parameters of `model` into the average."""
        own, new = self._averaged(self.module), self._averaged(model)
        averages = [p.detach() for p in own]
        values = [p.detach().to(a.device) for a, p in zip(averages, new)]
        if self.n_averaged == 0:
            for average, value in zip(averages, values):
                average.copy_(value)
        elif self.avg_fn is None:
            combine = self.multi_avg_fn or get_swa_multi_avg_fn()
            combine(averages, values, self.n_averaged)
        else:
            for average, value in zip(averages, values):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        if not self.use_buffers:
            for held, buffer in zip(self.module.buffers(), model.buffers()):
                held.detach().copy_(buffer.detach().to(held.device))
        self.n_averaged += 1

    def _averaged(self, model: Module) -> Iterable[Tensor]:
        if self.use_buffers:
            return chain(model.parameters(), model.buffers())
        return model.parameters()


@no_grad()
def update_bn(
    loader: Iterable[Any], model: Module, device: int | _device.device | None = None
) -> None:
    """Computes the running statistics of all BatchNorm layers anew, over the data of `loader`.

    Args:
        loader: batches; of a list or tuple, the first element is the model's input.
        model: its parameters are not changed.
        device: where batches are moved first.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    training = model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    for batch in loader:
        data = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(data if device is None else data.to(device))
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """Takes the rates to fixed values and leaves them there.

    Args:
        optimizer: whose groups' `lr` is set.
        swa_lr: the rate in the end; one value, or one for each group.
        anneal_epochs: epochs on the way.
        anneal_strategy: `cos` or `linear`.
        last_epoch: the epoch to go on from; -1 begins.

    Raises:
        ValueError: an argument is of the wrong kind or out of its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._set_anneal_func(anneal_strategy)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _set_anneal_func(self, anneal_strategy: str) -> None:
        self._anneal_strategy = anneal_strategy
        cosine = anneal_strategy == "cos"
        self.anneal_func = self._cosine_anneal if cosine else self._linear_anneal

    @staticmethod
    def _linear_anneal(t: float) -> float:
        return t

    @staticmethod
    def _cosine_anneal(t: float) -> float:
        return (1 - math.cos(math.pi * t)) / 2

    @staticmethod
    def _get_initial_lr(lr: Any, swa_lr: Any, alpha: float) -> Any:
        return swa_lr if alpha == 1 else (lr - alpha * swa_lr) / (1 - alpha)

    def _share(self, step: int) -> float:
        return self.anneal_func(max(0.0, min(1.0, step / max(1, self.anneal_epochs))))

    def get_lr(self) -> list[Any]:
        """Computes the rates of this step."""
        warn_outside_step(self)
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        lrs = []
        for group in self.optimizer.param_groups:
            first = self._get_initial_lr(group["lr"], group["swa_lr"], before)
            lrs.append(group["swa_lr"] * now + first * (1 - now))
        return lrs

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer and the function."""
        state = super().state_dict()
        del state["anneal_func"]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` returned."""
        self.__dict__.update(state_dict)
        self._set_anneal_func(self._anneal_strategy)
