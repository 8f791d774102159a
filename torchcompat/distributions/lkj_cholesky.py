"""The LKJ distribution of correlation matrices, by their Cholesky factors."""

from __future__ import annotations

import math
from typing import Any

import torchcompat as torch
from torchcompat.distributions import constraints
from torchcompat.distributions.beta import Beta
from torchcompat.distributions.distribution import Distribution
from torchcompat.distributions.utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors of `dim` by `dim` correlation matrices of density `det ** (concentration - 1)`.

    Source: Lewandowski, Kurowicka, Joe, Generating random correlation matrices, 2009 (the onion method).
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.size(), torch.Size((dim, dim)), validate_args)
        self._beta = self._radii()

    def _radii(self) -> Beta:
        """How long the part of each row left of its diagonal is, squared."""
        at = torch.arange(self.dim - 1, dtype=self.concentration.dtype)
        at = torch.cat([at.new_zeros((1,)), at])
        rest = (self.concentration + 0.5 * (self.dim - 2)).unsqueeze(-1) - 0.5 * at
        return Beta(at + 0.5, rest)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded("concentration", batch_shape, _instance)
        new.dim = self.dim
        Distribution.__init__(new, torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._beta = new._radii()
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Any = ()) -> Any:
        squared = self._beta.sample(sample_shape).unsqueeze(-1)
        shape = self._extended_shape(sample_shape)
        normal = torch.randn(shape, dtype=squared.dtype).tril(-1)
        ways = normal / normal.norm(dim=-1, keepdim=True)
        ways[..., 0, :].fill_(0.0)
        rows = torch.sqrt(squared) * ways
        left = torch.clamp(1 - rows.pow(2).sum(-1), min=torch.finfo(rows.dtype).tiny)
        return rows + torch.diag_embed(left.sqrt())

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n = self.dim - 1
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = (
            2 * (self.concentration - 1).unsqueeze(-1) + self.dim - torch.arange(2, self.dim + 1)
        )
        alpha = self.concentration + 0.5 * n
        norm = (
            0.5 * n * math.log(math.pi) + torch.mvlgamma(alpha - 0.5, n) - torch.lgamma(alpha) * n
        )
        return (order * diagonal.log()).sum(-1) - norm
