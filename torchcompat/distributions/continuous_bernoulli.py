"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from typing import Any

import torchcompat as torch
from torchcompat.distributions import constraints
from torchcompat.distributions.distribution import ExponentialFamily
from torchcompat.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ExponentialFamily):
    """Values x of [0, 1] of density in proportion to `probs ** x * (1 - probs) ** (1 - x)`.

    Args:
        lims: between these probabilities a series around 1/2 is used, where the formula has a hole.

    Source: Loaiza-Ganem and Cunningham, The continuous Bernoulli, 2019.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
            if validate_args is not None and not constraints.unit_interval.check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        else:
            (self.logits,) = broadcast_all(logits)
        self._param = self.probs if probs is not None else self.logits
        self._lims = lims
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded("probs logits _param", batch_shape, _instance)
        new._lims = self._lims
        return new

    @lazy_property
    def logits(self) -> Any:
        """The logits."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The parameter; not the mean."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._param.size()

    def _apart(self) -> Any:
        """Where the formulas hold."""
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut(self) -> Any:
        """The probabilities, those near 1/2 moved to where the formulas hold."""
        return torch.where(self._apart(), self.probs, self._lims[0])

    def _log_norm(self) -> Any:
        cut = self._cut()
        low, high = torch.where(cut <= 0.5, cut, 0.0), torch.where(cut > 0.5, cut, 1.0)
        distance = torch.where(cut <= 0.5, torch.log1p(-2 * low), torch.log(2 * high - 1))
        exact = (torch.log1p(-cut) - cut.log()).abs().log() - distance
        x = (self.probs - 0.5).pow(2)
        return torch.where(self._apart(), exact, math.log(2) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self) -> Any:
        cut, x = self._cut(), self.probs - 0.5
        exact = cut / (2 * cut - 1) + 1 / (torch.log1p(-cut) - cut.log())
        return torch.where(self._apart(), exact, 0.5 + (1 / 3 + 16 / 45 * x.pow(2)) * x)

    @property
    def variance(self) -> Any:
        cut, x = self._cut(), (self.probs - 0.5).pow(2)
        exact = cut * (cut - 1) / (1 - 2 * cut).pow(2) + 1 / (torch.log1p(-cut) - cut.log()).pow(2)
        return torch.where(self._apart(), exact, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        return -loss(logits, value, reduction="none") + self._log_norm()

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut()
        exact = (cut.pow(value) * (1 - cut).pow(1 - value) + cut - 1) / (2 * cut - 1)
        found = torch.where(self._apart(), exact, value)
        return torch.where(value <= 0, 0.0, torch.where(value >= 1, 1.0, found))

    def icdf(self, value: Any) -> Any:
        cut = self._cut()
        above = torch.log1p(-cut + value * (2 * cut - 1)) - torch.log1p(-cut)
        return torch.where(self._apart(), above / (cut.log() - torch.log1p(-cut)), value)

    def entropy(self) -> Any:
        fail, win = torch.log1p(-self.probs), self.probs.log()
        return self.mean * (fail - win) - self._log_norm() - fail
