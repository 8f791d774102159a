"""`torch.distributions.half_cauchy`."""

from torchcompat.distributions._transformed import HalfCauchy

__all__ = ["HalfCauchy"]
