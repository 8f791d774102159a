"""`torch.nn.parallel`."""

from torchcompat.nn.parallel._names import (  # type: ignore[attr-defined]
    DataParallel,
    DistributedDataParallel,
    data_parallel,
    gather,
    parallel_apply,
    replicate,
    scatter,
)

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]
