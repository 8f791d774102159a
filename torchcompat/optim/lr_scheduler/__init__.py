"""Schedules of learning rates."""

from torchcompat.optim.lr_scheduler._base import (
    EPOCH_DEPRECATION_WARNING,
    LRScheduler,
    _LRScheduler,
)
from torchcompat.optim.lr_scheduler._combined import ChainedScheduler, SequentialLR
from torchcompat.optim.lr_scheduler._cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from torchcompat.optim.lr_scheduler._cycles import CyclicLR, OneCycleLR
from torchcompat.optim.lr_scheduler._decays import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from torchcompat.optim.lr_scheduler._lambdas import LambdaLR, MultiplicativeLR
from torchcompat.optim.lr_scheduler._plateau import ReduceLROnPlateau

__all__ = [
    "LambdaLR",
    "MultiplicativeLR",
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "SequentialLR",
    "CosineAnnealingLR",
    "ChainedScheduler",
    "ReduceLROnPlateau",
    "CyclicLR",
    "CosineAnnealingWarmRestarts",
    "OneCycleLR",
    "PolynomialLR",
    "LRScheduler",
]
_ALSO = (EPOCH_DEPRECATION_WARNING, _LRScheduler)
