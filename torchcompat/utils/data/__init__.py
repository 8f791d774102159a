"""Datasets, samplers and `DataLoader`."""

from torchcompat.utils.data import _utils as _utils
from torchcompat.utils.data import dataloader as dataloader
from torchcompat.utils.data import dataset as dataset
from torchcompat.utils.data import distributed as distributed
from torchcompat.utils.data import sampler as sampler
from torchcompat.utils.data._utils.collate import default_collate, default_convert
from torchcompat.utils.data._utils.worker import get_worker_info
from torchcompat.utils.data.dataloader import DataLoader, _DatasetKind, prefetch_to_device
from torchcompat.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from torchcompat.utils.data.distributed import DistributedSampler
from torchcompat.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "_DatasetKind",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "prefetch_to_device",
    "random_split",
]
