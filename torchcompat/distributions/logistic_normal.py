"""`torch.distributions.logistic_normal`."""

from torchcompat.distributions._transformed import LogisticNormal

__all__ = ["LogisticNormal"]
