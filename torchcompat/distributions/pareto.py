"""`torch.distributions.pareto`."""

from torchcompat.distributions._powers import Pareto

__all__ = ["Pareto"]
