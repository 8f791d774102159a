"""The von Mises distribution of angles."""

from __future__ import annotations

import math
from typing import Any

import torchcompat as torch
from torchcompat.distributions import constraints
from torchcompat.distributions.distribution import Distribution
from torchcompat.distributions.utils import broadcast_all

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles in radians around `loc`; the larger `concentration`, the nearer.

    Source: Best and Fisher, Efficient simulation of the von Mises distribution, 1979.
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, torch.Size(), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded("loc concentration", batch_shape, _instance)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        log_i0 = torch.special.i0e(k).log() + k
        return k * torch.cos(value - self.loc) - math.log(2 * math.pi) - log_i0

    def _ratio(self, k: Any) -> Any:
        """The parameter of the wrapped Cauchy distribution that angles are proposed from."""
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return torch.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            k = self.concentration.double()
            found = _rejected_until_done(self._ratio(k).expand(shape), k.expand(shape))
            angle = (found + math.pi + self.loc.double()) % (2 * math.pi) - math.pi
            return angle.to(self.loc.dtype)

    @property
    def mean(self) -> Any:
        """The circular mean."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Any:
        """The circular variance."""
        k = self.concentration
        return 1 - torch.special.i1e(k) / torch.special.i0e(k)


def _rejected_until_done(r: Any, k: Any) -> Any:
    """Angles around 0: proposals for all, each kept once it is accepted."""
    angle, done = torch.zeros_like(k), torch.zeros(k.shape, dtype=torch.bool)
    while not done.all():
        u1, u2, u3 = torch.rand((3, *k.shape), dtype=k.dtype).unbind()
        z = torch.cos(math.pi * u1)
        f = (1 + r * z) / (r + z)
        c = k * (r - f)
        accepted = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
        angle = torch.where(accepted, (u3 - 0.5).sign() * f.acos(), angle)
        done = done | accepted
    return angle
