"""`torch.distributions.half_normal`."""

from torchcompat.distributions._transformed import HalfNormal

__all__ = ["HalfNormal"]
