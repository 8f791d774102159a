"""`torch.nn.parallel.replicate`."""

from torchcompat.nn.parallel._names import replicate  # type: ignore[attr-defined]

__all__ = ["replicate"]
