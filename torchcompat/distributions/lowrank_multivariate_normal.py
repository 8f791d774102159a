"""The normal distribution of vectors whose covariance is of low rank but for its diagonal."""

from __future__ import annotations

import math
from typing import Any

import torchcompat as torch
from torchcompat.distributions import constraints
from torchcompat.distributions.distribution import Distribution
from torchcompat.distributions.multivariate_normal import _mahalanobis
from torchcompat.distributions.utils import _standard_normal, lazy_property

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """Normal vectors of covariance `cov_factor @ cov_factor.mT + diag(cov_diag)`.

    Shape:
        `loc` and `cov_diag`: `(*, N)`; `cov_factor`: `(*, N, K)`. Only matrices of K by K are factored.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions"
            )
        if cov_factor.shape[-2:-1] != event:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if cov_diag.shape[-1:] != event:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        try:
            batch = torch.broadcast_shapes(
                loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1]
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, "
                f"cov_diag {cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = loc.expand((*batch, -1)), cov_diag.expand((*batch, -1))
        self.cov_factor = cov_factor.expand((*batch, *cov_factor.shape[-2:]))
        super().__init__(batch, event, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(LowRankMultivariateNormal, _instance)
        batch = torch.Size(batch_shape)
        for name in ("loc", "cov_diag"):
            setattr(new, name, getattr(self, name).expand((*batch, -1)))
        new.cov_factor = self.cov_factor.expand((*batch, *self.cov_factor.shape[-2:]))
        Distribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Any:
        return self.loc

    mode = mean

    @property
    def _scaled(self) -> Any:
        """`W^T D^-1`."""
        return self.cov_factor.mT / self.cov_diag.unsqueeze(-2)

    @property
    def _capacitance_tril(self) -> Any:
        """The Cholesky factor of `I + W^T D^-1 W`."""
        inner = self._scaled @ self.cov_factor
        return torch.linalg.cholesky(inner + torch.eye(inner.shape[-1], dtype=inner.dtype))

    @lazy_property
    def variance(self) -> Any:
        return self.cov_factor.pow(2).sum(-1) + self.cov_diag

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        return self.cov_factor @ self.cov_factor.mT + torch.diag_embed(self.cov_diag)

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        return torch.linalg.cholesky(self.covariance_matrix)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance, by Woodbury's identity."""
        solved = torch.linalg.solve_triangular(self._capacitance_tril, self._scaled, upper=False)
        return torch.diag_embed(self.cov_diag.reciprocal()) - solved.mT @ solved

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        kind = self.loc.dtype, self.loc.device
        shared = _standard_normal((*shape[:-1], self.cov_factor.shape[-1]), *kind)
        own = _standard_normal(shape, *kind)
        spread = (self.cov_factor @ shared.unsqueeze(-1)).squeeze(-1)
        return self.loc + spread + self.cov_diag.sqrt() * own

    def _log_det(self) -> Any:
        diagonal = self._capacitance_tril.diagonal(dim1=-2, dim2=-1)
        return 2 * diagonal.log().sum(-1) + self.cov_diag.log().sum(-1)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        away = value - self.loc
        inside = (self._scaled @ away.unsqueeze(-1)).squeeze(-1)
        length = (away.pow(2) / self.cov_diag).sum(-1)
        length = length - _mahalanobis(self._capacitance_tril, inside)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + length)

    def entropy(self) -> Any:
        found = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return found.expand(self._batch_shape) if self._batch_shape else found
