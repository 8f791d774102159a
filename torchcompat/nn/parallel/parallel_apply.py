"""`torch.nn.parallel.parallel_apply`."""

from torchcompat.nn.parallel._names import parallel_apply  # type: ignore[attr-defined]

__all__ = ["parallel_apply"]
