"""`torch.distributions.log_normal`."""

from torchcompat.distributions._transformed import LogNormal

__all__ = ["LogNormal"]
