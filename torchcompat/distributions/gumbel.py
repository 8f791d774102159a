"""`torch.distributions.gumbel`."""

from torchcompat.distributions._transformed import Gumbel

__all__ = ["Gumbel"]
