"""Mixtures of distributions of one kind."""

from __future__ import annotations

from typing import Any

import torchcompat as torch
from torchcompat.distributions import constraints
from torchcompat.distributions.categorical import Categorical
from torchcompat.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A mixture: `mixture_distribution` chooses along the last batch dimension of the components."""

    arg_constraints: Any = {}

    def __init__(
        self,
        mixture_distribution: Any,
        component_distribution: Any,
        validate_args: bool | None = None,
    ) -> None:
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an  instance of "
                "torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of "
                "torch.distributions.Distribution"
            )
        batch = component_distribution.batch_shape
        if mixture_distribution.logits.shape[-1] != batch[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({mixture_distribution.logits.shape[-1]}) does not "
                f"equal `component_distribution.batch_shape[-1]` ({batch[-1]})"
            )
        event = component_distribution.event_shape
        self._event_ndims = len(event)
        super().__init__(tuple(batch)[:-1], event, validate_args=validate_args)

    @property
    def mixture_distribution(self) -> Any:
        """What chooses."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """What is chosen from."""
        return self._component_distribution

    @constraints.dependent_property
    def support(self) -> Any:
        return self._component_distribution.support

    def _weights(self) -> Any:
        probs = self.mixture_distribution.probs
        return probs.reshape(tuple(probs.shape) + (1,) * self._event_ndims)

    @property
    def mean(self) -> Any:
        dim = -1 - self._event_ndims
        return torch.sum(self._weights() * self.component_distribution.mean, dim=dim)

    @property
    def variance(self) -> Any:
        dim, weights, parts = -1 - self._event_ndims, self._weights(), self.component_distribution
        inside = torch.sum(weights * parts.variance, dim=dim)
        between = (parts.mean - self.mean.unsqueeze(dim)).pow(2.0)
        return inside + torch.sum(weights * between, dim=dim)

    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            dim = len(sample_shape) + len(self.batch_shape)
            chosen = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            shape = tuple(chosen.shape) + (1,) * (self._event_ndims + 1)
            places = chosen.reshape(shape).expand(
                tuple(chosen.shape) + (1,) + tuple(self.event_shape)
            )
            return torch.gather(drawn, dim, places).squeeze(dim)

    def cdf(self, x: Any) -> Any:
        parts = self.component_distribution.cdf(x.unsqueeze(-1 - self._event_ndims))
        return torch.sum(parts * self.mixture_distribution.probs, dim=-1)

    def log_prob(self, x: Any) -> Any:
        if self._validate_args:
            self._validate_sample(x)
        parts = self.component_distribution.log_prob(x.unsqueeze(-1 - self._event_ndims))
        weights = torch.log_softmax(self.mixture_distribution.logits, dim=-1)
        return torch.logsumexp(parts + weights, dim=-1)

    def __repr__(self) -> str:
        return (
            f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
        )
