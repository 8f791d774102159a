"""The Kullback-Leibler divergence of pairs of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torchcompat as torch
from torchcompat.distributions._transformed import Gumbel, HalfNormal, LogNormal
from torchcompat.distributions.bernoulli import Bernoulli
from torchcompat.distributions.beta import Beta
from torchcompat.distributions.binomial import Binomial
from torchcompat.distributions.categorical import Categorical
from torchcompat.distributions.dirichlet import Dirichlet
from torchcompat.distributions.distribution import ExponentialFamily
from torchcompat.distributions.exponential import Exponential
from torchcompat.distributions.gamma import Gamma
from torchcompat.distributions.geometric import Geometric
from torchcompat.distributions.independent import Independent
from torchcompat.distributions.laplace import Laplace
from torchcompat.distributions.multivariate_normal import MultivariateNormal, _mahalanobis
from torchcompat.distributions.normal import Normal
from torchcompat.distributions.one_hot_categorical import OneHotCategorical
from torchcompat.distributions.poisson import Poisson
from torchcompat.distributions.transformed_distribution import TransformedDistribution
from torchcompat.distributions.uniform import Uniform
from torchcompat.distributions.utils import _sum_rightmost
from torchcompat.distributions.utils import euler_constant as _euler

__all__ = ["kl_divergence", "register_kl"]

_TABLE: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """A decorator: its function of `(p, q)` gives the divergence for these types."""
    if not isinstance(type_p, type):
        raise TypeError(f"Expected type_p to be a Distribution subclass but got {type_p}")
    if not isinstance(type_q, type):
        raise TypeError(f"Expected type_q to be a Distribution subclass but got {type_q}")

    def keep(function: Callable) -> Callable:
        _TABLE[type_p, type_q] = function
        return function

    return keep


def _found(p: type, q: type) -> Callable | None:
    """The function of the nearest types, by how far up both classes they stand."""
    best = None
    for (a, b), function in _TABLE.items():
        if issubclass(p, a) and issubclass(q, b):
            distance = p.__mro__.index(a) + q.__mro__.index(b)
            if best is None or distance < best[0]:
                best = distance, function
    return None if best is None else best[1]


def kl_divergence(p: Any, q: Any) -> Any:
    """How far `q` is from `p`: the mean under `p` of `log p(x) - log q(x)`.

    Raises:
        NotImplementedError: no formula is known for the pair.
    """
    function = _found(type(p), type(q))
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} and q type "
            f"{q.__class__.__name__}"
        )
    return function(p, q)


@register_kl(ExponentialFamily, ExponentialFamily)
def _kl_expfamily_expfamily(p: Any, q: Any) -> Any:
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using "
            "Bregman divergences"
        )
    value, gradients = p._normalizer_and_gradients()
    result = q._log_normalizer(*q._natural_params) - value
    for ours, theirs, gradient in zip(p._natural_params, q._natural_params, gradients):
        result = result - _sum_rightmost((theirs - ours) * gradient, len(q.event_shape))
    return result


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    softplus = torch.nn.functional.softplus
    gain = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    gain = torch.where(q.probs == 0, math.inf, gain)
    gain = torch.where(p.probs == 0, 0.0, gain)
    rest = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    rest = torch.where(q.probs == 1, math.inf, rest)
    return gain + torch.where(p.probs == 1, 0.0, rest)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    terms = p.probs * (p.logits - q.logits)
    terms = torch.where((q.probs == 0).expand_as(terms), math.inf, terms)
    return torch.where((p.probs == 0).expand_as(terms), 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total_a, total_b = a.sum(-1), b.sum(-1)
    norm = total_a.lgamma() - total_b.lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norm + ((a - b) * (a.digamma() - total_a.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Any:
    slope = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return torch.where(p.total_count > q.total_count, math.inf, p.total_count * slope)


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log()
        + torch.lgamma(b)
        - torch.lgamma(a)
        + (a - b) * torch.digamma(a)
        + (q.rate - p.rate) * (a / p.rate)
    )


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, near = p.scale / q.scale, q.loc / q.scale
    far = p.loc / q.scale
    rest = torch.exp(near + (1 + ratio).lgamma() - far)
    return far - near - ratio.log() - (1 + _euler) + ratio * _euler + rest


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * torch.exp(-away / p.scale) - 1


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return torch.where((q.low > p.low) | (q.high < p.high), math.inf, found)


@register_kl(HalfNormal, HalfNormal)
@register_kl(LogNormal, LogNormal)
def _of_bases(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            "computed"
        )
    half = q._half_log_det() - p._half_log_det()
    n = p.event_shape[0]
    batch = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    own = p._unbroadcasted_scale_tril.expand(tuple(batch) + (n, n))
    other = q._unbroadcasted_scale_tril.expand(tuple(batch) + (n, n))
    trace = torch.linalg.solve_triangular(other, own, upper=False).pow(2).sum((-2, -1))
    return half + 0.5 * (trace + _mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc) - n)


@register_kl(Normal, Uniform)
@register_kl(Normal, Exponential)
@register_kl(Exponential, Uniform)
@register_kl(Laplace, Uniform)
@register_kl(Gamma, Beta)
def _infinite(p: Any, q: Any) -> Any:
    shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    return torch.full(shape, math.inf)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Any, q: Any) -> Any:
    width = p.high - p.low
    spread = (width / 2).pow(2) / 3 + ((p.high + p.low - 2 * q.loc) / 2).pow(2)
    norm = (math.sqrt(math.pi * 2) * q.scale / width).log()
    return norm + 0.5 * spread / q.scale.pow(2)


@register_kl(Laplace, Normal)
def _laplace_normal(p: Any, q: Any) -> Any:
    variance = q.scale.pow(2)
    ratio = p.scale.pow(2) / variance
    mean = 0.5 * p.loc.pow(2) - p.loc * q.loc + 0.5 * q.loc.pow(2)
    return -0.5 * torch.log(2 * ratio / math.pi) + ratio + mean / variance - 1
