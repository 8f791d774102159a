"""`torch.nn.parallel.data_parallel`."""

from torchcompat.nn.parallel._names import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
