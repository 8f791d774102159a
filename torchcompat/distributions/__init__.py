"""`torch.distributions`: random values, their densities, entropies and divergences.

Normal, uniform, exponential, Cauchy, categorical and Bernoulli draws are torch's own numbers under the
same seed; draws of gamma distributions (and what is made of them) are JAX's.
"""

from torchcompat._absent import fill as _fill
from torchcompat.distributions import constraints, transforms, utils
from torchcompat.distributions._matrix_transforms import (
    CatTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    PositiveDefiniteTransform,
    StackTransform,
)
from torchcompat.distributions._powers import InverseGamma, Kumaraswamy, Pareto, Weibull
from torchcompat.distributions._relaxed import (
    ExpRelaxedCategorical,
    LogitRelaxedBernoulli,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
)
from torchcompat.distributions._transformed import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    LogisticNormal,
    LogNormal,
)
from torchcompat.distributions.bernoulli import Bernoulli
from torchcompat.distributions.beta import Beta
from torchcompat.distributions.binomial import Binomial
from torchcompat.distributions.categorical import Categorical
from torchcompat.distributions.cauchy import Cauchy
from torchcompat.distributions.chi2 import Chi2
from torchcompat.distributions.constraint_registry import biject_to, transform_to
from torchcompat.distributions.continuous_bernoulli import ContinuousBernoulli
from torchcompat.distributions.dirichlet import Dirichlet
from torchcompat.distributions.distribution import Distribution, ExponentialFamily
from torchcompat.distributions.exponential import Exponential
from torchcompat.distributions.fishersnedecor import FisherSnedecor
from torchcompat.distributions.gamma import Gamma
from torchcompat.distributions.geometric import Geometric
from torchcompat.distributions.independent import Independent
from torchcompat.distributions.kl import kl_divergence, register_kl
from torchcompat.distributions.laplace import Laplace
from torchcompat.distributions.lkj_cholesky import LKJCholesky
from torchcompat.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from torchcompat.distributions.mixture_same_family import MixtureSameFamily
from torchcompat.distributions.multinomial import Multinomial
from torchcompat.distributions.multivariate_normal import MultivariateNormal
from torchcompat.distributions.negative_binomial import NegativeBinomial
from torchcompat.distributions.normal import Normal
from torchcompat.distributions.one_hot_categorical import (
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from torchcompat.distributions.poisson import Poisson
from torchcompat.distributions.studentT import StudentT
from torchcompat.distributions.transformed_distribution import TransformedDistribution
from torchcompat.distributions.transforms import *  # noqa: F403
from torchcompat.distributions.uniform import Uniform
from torchcompat.distributions.von_mises import VonMises

_fill(
    globals(),
    "this distribution is not built",
    classes="GeneralizedPareto Wishart",
)

__all__ = [
    *transforms.__all__,
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpRelaxedCategorical",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LogitRelaxedBernoulli",
    "LowRankMultivariateNormal",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "StackTransform",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "biject_to",
    "constraints",
    "kl_divergence",
    "register_kl",
    "transform_to",
    "utils",
]
