"""`torch.distributions.relaxed_bernoulli`."""

from torchcompat.distributions._relaxed import LogitRelaxedBernoulli, RelaxedBernoulli

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]
