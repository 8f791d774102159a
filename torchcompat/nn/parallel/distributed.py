"""`torch.nn.parallel.distributed`."""

from torchcompat.nn.parallel._names import DistributedDataParallel

__all__ = ["DistributedDataParallel"]
