"""`torch.distributions`: random values, their densities, entropies and divergences.

Normal, uniform, exponential, Cauchy, categorical and Bernoulli draws are torch's own numbers under the
same seed; draws of gamma distributions (and what is made of them) are JAX's.
"""

from torchcompat._absent import fill as _fill
from torchcompat.distributions import constraints, transforms, utils
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
from torchcompat.distributions.dirichlet import Dirichlet
from torchcompat.distributions.distribution import Distribution, ExponentialFamily
from torchcompat.distributions.exponential import Exponential
from torchcompat.distributions.gamma import Gamma
from torchcompat.distributions.geometric import Geometric
from torchcompat.distributions.independent import Independent
from torchcompat.distributions.kl import kl_divergence, register_kl
from torchcompat.distributions.laplace import Laplace
from torchcompat.distributions.mixture_same_family import MixtureSameFamily
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

_fill(
    globals(),
    "this distribution is not built",
    classes="""ContinuousBernoulli FisherSnedecor GeneralizedPareto InverseGamma Kumaraswamy LKJCholesky
    LowRankMultivariateNormal Multinomial Pareto VonMises Weibull Wishart CatTransform StackTransform
    CorrCholeskyTransform CumulativeDistributionTransform PositiveDefiniteTransform""",
    functions="biject_to transform_to",
)

__all__ = [
    *transforms.__all__,
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Distribution",
    "ExpRelaxedCategorical",
    "Exponential",
    "ExponentialFamily",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LogitRelaxedBernoulli",
    "MixtureSameFamily",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Poisson",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
    "utils",
]
