"""`torch.distributions.kumaraswamy`."""

from torchcompat.distributions._powers import Kumaraswamy

__all__ = ["Kumaraswamy"]
