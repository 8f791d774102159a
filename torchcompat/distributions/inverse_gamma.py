"""`torch.distributions.inverse_gamma`."""

from torchcompat.distributions._powers import InverseGamma

__all__ = ["InverseGamma"]
