"""`torch.distributions.wishart`."""

from torchcompat.distributions import Wishart  # type: ignore[attr-defined]

__all__ = ["Wishart"]
