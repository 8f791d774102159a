"""torch.distributions against torch: densities, entropies, moments, draws, divergences, errors."""

import os

import numpy as np
import pytest
import torch

import torchcompat as tc

# A distribution `d.X(...)` of tensors `T(...)`, and values to take its density at.
CASES = """Normal(T([0.0, 1.0]), T([1.0, 2.0])) | [0.3, -1.0]
Normal(0.0, 1.0) | 0.5
Uniform(T([0.0, 1.0]), T([2.0, 4.0])) | [0.5, 3.0]
Bernoulli(T([0.3, 0.6])) | [1.0, 0.0]
Bernoulli(logits=T([0.3, -2.0])) | [1.0, 0.0]
Categorical(T([[0.1, 0.2, 0.7], [1.0, 1.0, 2.0]])) | [2, 0]
Categorical(logits=T([0.5, -1.0, 2.0])) | 1
OneHotCategorical(T([0.1, 0.2, 0.7])) | [0.0, 1.0, 0.0]
Exponential(T([0.5, 2.0])) | [0.7, 1.3]
Laplace(T([0.0, 1.0]), T([1.0, 2.0])) | [0.3, -1.0]
Cauchy(T([0.0, 1.0]), T([1.0, 2.0])) | [0.3, -1.0]
Poisson(T([0.5, 4.0])) | [1.0, 3.0]
Geometric(T([0.3, 0.9])) | [2.0, 0.0]
Gamma(T([0.5, 3.0]), T([1.0, 2.0])) | [0.7, 1.3]
Chi2(T([2.0, 5.0])) | [0.7, 1.3]
Beta(T([0.5, 3.0]), T([1.0, 2.0])) | [0.7, 0.3]
Dirichlet(T([[0.5, 3.0, 1.0], [2.0, 2.0, 2.0]])) | [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]
StudentT(T([3.0, 5.0]), T([0.0, 1.0]), 2.0) | [0.3, -1.0]
NegativeBinomial(T([3.0, 5.0]), T([0.2, 0.5])) | [2.0, 4.0]
Binomial(5, T([0.2, 0.5])) | [2.0, 4.0]
Binomial(5, logits=T([0.2, -0.5])) | [2.0, 4.0]
Gumbel(T([0.0, 1.0]), T([1.0, 2.0])) | [0.3, -1.0]
LogNormal(T([0.0, 1.0]), T([1.0, 0.5])) | [0.3, 2.0]
HalfNormal(T([1.0, 2.0])) | [0.3, 2.0]
HalfCauchy(T([1.0, 2.0])) | [0.3, 2.0]
LogisticNormal(T([0.0, 1.0]), T([1.0, 0.5])) | [0.2, 0.3, 0.5]
MultivariateNormal(T([0.0, 1.0]), T([[2.0, 0.5], [0.5, 1.0]])) | [0.3, 2.0]
MultivariateNormal(T([0.0, 1.0]), precision_matrix=T([[2.0, 0.5], [0.5, 1.0]])) | [0.3, 2.0]
MultivariateNormal(T([[0.0, 1.0], [1.0, 1.0]]), scale_tril=T([[2.0, 0.0], [0.5, 1.0]])) | [0.3, 2.0]
Independent(d.Normal(T([[0.0, 1.0]]), T([[1.0, 2.0]])), 1) | [[0.3, 2.0]]
TransformedDistribution(d.Normal(T([0.0]), T([1.0])), [d.AffineTransform(1.0, -2.0)]) | [0.3]
TransformedDistribution(d.Normal(T([0.0]), T([1.0])), [d.SigmoidTransform(), d.PowerTransform(2.0)]) | [0.3]
TransformedDistribution(d.Normal(T([0.0]), T([1.0])), d.TanhTransform()) | [0.3]
RelaxedBernoulli(T(0.7), T([0.3, 0.6])) | [0.3, 0.7]
RelaxedOneHotCategorical(T(0.7), T([0.3, 0.6, 0.1])) | [0.3, 0.6, 0.1]
MixtureSameFamily(d.Categorical(T([0.3, 0.7])), d.Normal(T([0.0, 1.0]), T([1.0, 2.0]))) | 0.4
Pareto(T([1.0, 2.0]), T([1.5, 3.0])) | [1.5, 3.0]
Weibull(T([1.0, 2.0]), T([1.5, 3.0])) | [0.5, 3.0]
Kumaraswamy(T([1.5, 2.0]), T([1.5, 3.0])) | [0.5, 0.3]
InverseGamma(T([1.5, 3.0]), T([1.0, 2.0])) | [0.5, 3.0]
Multinomial(5, T([0.2, 0.3, 0.5])) | [1.0, 0.0, 4.0]
Multinomial(3, logits=T([[0.2, -0.3], [0.5, 1.0]])) | [[1.0, 2.0], [3.0, 0.0]]
VonMises(T([0.0, 1.0]), T([1.5, 30.0])) | [0.5, 0.8]
FisherSnedecor(T([1.5, 3.0]), T([5.0, 3.0])) | [0.5, 0.8]
ContinuousBernoulli(T([0.2, 0.5001, 0.9])) | [0.5, 0.8, 0.1]
ContinuousBernoulli(logits=T([0.2, -3.0])) | [0.5, 0.8]
LowRankMultivariateNormal(T([0.0, 1.0]), T([[1.0], [0.5]]), T([1.0, 2.0])) | [0.5, 0.8]
LKJCholesky(3, T([0.7, 2.0])) | [[[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]]]""".splitlines()
CDF = (
    "Normal Uniform Exponential Laplace Cauchy Gumbel HalfNormal HalfCauchy LogNormal Gamma Pareto "
    "Weibull Kumaraswamy ContinuousBernoulli".split()
)
# Distributions whose draws are torch's own numbers.
SAME_DRAWS = """Normal Uniform Bernoulli Categorical OneHotCategorical Exponential Laplace Cauchy Geometric
Gumbel LogNormal HalfNormal HalfCauchy LogisticNormal MultivariateNormal Independent
TransformedDistribution RelaxedBernoulli RelaxedOneHotCategorical MixtureSameFamily Pareto Weibull
Kumaraswamy Multinomial VonMises ContinuousBernoulli LowRankMultivariateNormal""".split()
GAMMAS = "Gamma Chi2 Beta Dirichlet StudentT NegativeBinomial Binomial Poisson".split()


if not os.environ.get("TORCHCOMPAT_WHOLE"):  # the whole takes a minute of compiling
    CASES = CASES[::4]


def made(m, text):
    text = text.replace("d.I", "m.eye(2)")
    return eval(f"d.{text}", {"d": m.distributions, "T": m.tensor, "m": m})


def same(ours, theirs, tolerance=2e-5):
    np.testing.assert_allclose(
        np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance, equal_nan=True
    )


def agree(f):
    """What `f` gives or raises for both."""
    found = []
    for m in (tc, torch):
        try:
            found.append(f(m))
        except (NotImplementedError, AttributeError) as error:
            found.append(type(error))
    if isinstance(found[1], type):
        assert found[0] is found[1]
    else:
        same(*found)


@pytest.mark.parametrize("case", CASES)
def test_densities_and_moments(case):
    text, value = case.split(" | ")
    ours, theirs = made(tc, text), made(torch, text)
    assert ours.batch_shape == theirs.batch_shape and ours.event_shape == theirs.event_shape
    assert repr(ours) == repr(theirs)
    same(ours.log_prob(tc.tensor(eval(value))), theirs.log_prob(torch.tensor(eval(value))))
    for name in ("mean", "variance", "stddev", "mode"):
        agree(lambda m, name=name: getattr(made(m, text), name))
    if not text.startswith(("Transformed", "Mixture", "Relaxed")):
        agree(lambda m: made(m, text).entropy())
    if text.startswith(tuple(CDF)):
        agree(lambda m: made(m, text).cdf(m.tensor(eval(value))))
        agree(lambda m: made(m, text).icdf(m.tensor(0.3)))
    shape = (3, *ours.batch_shape)
    if not text.startswith("Mixture"):
        same(
            ours.expand(shape).log_prob(tc.tensor(eval(value))),
            theirs.expand(shape).log_prob(torch.tensor(eval(value))),
        )
    if ours.has_enumerate_support:
        same(ours.enumerate_support(), theirs.enumerate_support())


@pytest.mark.parametrize("case", [c for c in CASES if c.startswith(tuple(SAME_DRAWS))])
def test_draws_are_torchs(case):
    text = case.split(" | ")[0]
    drawn = []
    for m in (tc, torch):
        m.manual_seed(0)
        drawn.append(made(m, text).sample((4,)))
    assert tuple(drawn[0].shape) == tuple(drawn[1].shape)
    same(*drawn, tolerance=1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if c.startswith(tuple(GAMMAS))])
def test_draws_have_the_moments(case):
    tc.manual_seed(0)
    one = made(tc, case.split(" | ")[0])
    drawn = one.sample((20_000,))
    assert tuple(drawn.shape) == (20_000, *one.batch_shape, *one.event_shape)
    spread = one.variance.sqrt()
    assert ((drawn.mean(0) - one.mean).abs() < 0.06 * spread + 1e-3).all()
    tc.manual_seed(0)
    assert tc.equal(one.sample((20_000,)), drawn)


@pytest.mark.parametrize("name", ["Normal", "Gamma", "Beta", "Laplace", "Gumbel"])
def test_draws_have_gradients(name):
    a = tc.tensor([2.0, 3.0], requires_grad=True)
    getattr(tc.distributions, name)(a, tc.tensor([1.0, 2.0])).rsample((100,)).mean().backward()
    assert (a.grad != 0).all()


PAIRS = """Normal(T([0.0, 1.0]), T([1.0, 2.0])) | Normal(T([1.0, 1.0]), 3.0)
Bernoulli(T([0.3, 1.0])) | Bernoulli(T([0.6, 0.5]))
Categorical(T([0.3, 0.7, 0.0])) | Categorical(T([0.6, 0.2, 0.2]))
Dirichlet(T([0.5, 3.0])) | Dirichlet(T([1.0, 1.0]))
Beta(T([0.5, 3.0]), 2.0) | Beta(T([1.0, 1.0]), 1.0)
Gamma(T([0.5, 3.0]), 2.0) | Gamma(T([1.0, 1.0]), 1.0)
Exponential(T([0.5, 3.0])) | Exponential(2.0)
Poisson(T([0.5, 3.0])) | Poisson(2.0)
Laplace(T([0.0, 1.0]), 1.0) | Laplace(0.5, 2.0)
Geometric(T([0.3, 0.6])) | Geometric(0.5)
Gumbel(T([0.3, 0.6]), 1.0) | Gumbel(0.5, 2.0)
Uniform(T([0.3, 0.6]), 1.0) | Uniform(0.4, 2.0)
Uniform(T([0.3, 0.6]), 1.0) | Normal(0.4, 2.0)
Laplace(T([0.3, 0.6]), 1.0) | Normal(0.4, 2.0)
Binomial(5, T([0.3, 0.6])) | Binomial(5, T([0.4, 0.2]))
LogNormal(T([0.3, 0.6]), 1.0) | LogNormal(0.4, 2.0)
Independent(d.Normal(T([0.0, 1.0]), 1.0), 1) | Independent(d.Normal(T([1.0, 1.0]), 2.0), 1)
MultivariateNormal(T([0.0, 1.0]), d.I + 0.5) | MultivariateNormal(T([1.0, 1.0]), d.I)
Normal(0.0, 1.0) | Categorical(T([0.5, 0.5]))""".splitlines()


@pytest.mark.parametrize("pair", PAIRS)
def test_divergences(pair):
    p, q = pair.split(" | ")
    agree(lambda m: m.distributions.kl_divergence(made(m, p), made(m, q)))


ERRORS = """d.Normal(0.0, -1.0)
d.Bernoulli(T([0.3, 1.5]))
d.Bernoulli()
d.Bernoulli(T([0.5]), logits=T([0.1]))
d.Categorical(T(0.5))
d.Categorical(T([[-1.0, 1.0]]))
d.Uniform(1.0, 0.0)
d.Normal(0.0, 1.0).log_prob(3)
d.Bernoulli(T([0.3])).log_prob(T([0.5]))
d.Normal(T([0.0, 1.0]), 1.0).log_prob(T([0.0, 1.0, 2.0]))
d.Exponential(T([1.0])).log_prob(T([-1.0]))
d.Categorical(T([0.5, 0.5])).log_prob(T([2]))
d.MultivariateNormal(T([0.0, 1.0]))
d.Independent(d.Normal(0.0, 1.0), 1)
d.Normal('a', 1.0)""".splitlines()


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text, monkeypatch):
    # Torch's compiler turns the checks off for the whole process when it is loaded.
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)
    told = []
    for m in (tc, torch):
        with pytest.raises(Exception) as error:
            eval(text, {"d": m.distributions, "T": m.tensor})
        told.append((error.type, str(error.value)))
    assert told[0] == told[1]


def test_compiled():
    def f(loc):
        one = tc.distributions.Normal(loc, 1.0)
        return one.log_prob(loc + 1) + tc.distributions.Gamma(loc.exp(), 1.0).rsample() * 0

    x = tc.tensor([0.0, 1.0])
    same(tc.compile(f)(x), f(x))


REGIONS = """c.positive
c.nonnegative
c.greater_than(2.0)
c.less_than(1.0)
c.unit_interval
c.interval(1.0, 3.0)
c.real
c.real_vector
c.simplex
c.lower_cholesky
c.corr_cholesky
c.positive_definite
c.independent(c.positive, 1)
c.cat([c.positive, c.real], 0, [2, 1])
c.stack([c.positive, c.real, c.unit_interval], 0)
c.boolean""".splitlines()


@pytest.mark.parametrize("name", ["biject_to", "transform_to"])
@pytest.mark.parametrize("region", REGIONS)
def test_registries(region, name):
    """A point, its way there and back, and the slope."""

    def run(m):
        matrix = region in ("c.lower_cholesky", "c.positive_definite")
        x = m.tensor([[0.3, -0.5], [0.2, 0.7]]) if matrix else m.tensor([0.3, -0.5, 1.2])
        transform = getattr(m.distributions, name)(eval(region, {"c": m.distributions.constraints}))
        y = transform(x)
        found = [y.reshape(-1), transform.inv(y).reshape(-1)]
        if transform.bijective:
            found.append(transform.log_abs_det_jacobian(x, y).reshape(-1))
        return m.cat(found)

    agree(run)
