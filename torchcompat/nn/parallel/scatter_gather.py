"""`torch.nn.parallel.scatter_gather`."""

from torchcompat.nn.parallel._names import gather, scatter  # type: ignore[attr-defined]

__all__ = ["gather", "scatter"]
