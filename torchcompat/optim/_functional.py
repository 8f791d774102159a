"""The functional forms of the optimizers."""

from __future__ import annotations

from torchcompat._tensor import Tensor
from torchcompat.optim.adadelta import adadelta
from torchcompat.optim.adagrad import adagrad
from torchcompat.optim.adam import adam
from torchcompat.optim.adamax import adamax
from torchcompat.optim.adamw import adamw
from torchcompat.optim.asgd import asgd
from torchcompat.optim.nadam import nadam
from torchcompat.optim.radam import radam
from torchcompat.optim.rmsprop import rmsprop
from torchcompat.optim.rprop import rprop
from torchcompat.optim.sgd import sgd

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "sparse_adam",
]


def sparse_adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[int],
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr: float,
    maximize: bool,
) -> None:
    """One step of `SparseAdam`.

    Raises:
        NotImplementedError: there is a gradient: sparse ones do not exist here.
    """
    if grads:
        raise NotImplementedError(f"sparse_adam: grads={type(grads[0]).__name__}: only sparse ones")
