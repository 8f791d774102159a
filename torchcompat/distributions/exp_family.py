"""`torch.distributions.exp_family`."""

from torchcompat.distributions.distribution import ExponentialFamily

__all__ = ["ExponentialFamily"]
