"""`torch.distributions.weibull`."""

from torchcompat.distributions._powers import Weibull

__all__ = ["Weibull"]
