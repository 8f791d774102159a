"""Datasets, samplers and `DataLoader`."""

from torchcompat.utils.data import _utils as _utils
from torchcompat.utils.data import dataloader as dataloader
from torchcompat.utils.data import datapipes as datapipes
from torchcompat.utils.data import dataset as dataset
from torchcompat.utils.data import distributed as distributed
from torchcompat.utils.data import graph as graph
from torchcompat.utils.data import graph_settings as graph_settings
from torchcompat.utils.data import sampler as sampler
from torchcompat.utils.data._utils.collate import default_collate, default_convert
from torchcompat.utils.data._utils.worker import get_worker_info
from torchcompat.utils.data.dataloader import DataLoader, _DatasetKind, prefetch_to_device
from torchcompat.utils.data.datapipes._decorator import (
    argument_validation,
    functional_datapipe,
    guaranteed_datapipes_determinism,
    non_deterministic,
    runtime_validation,
    runtime_validation_disabled,
)
from torchcompat.utils.data.datapipes.datapipe import (
    DataChunk,
    DFIterDataPipe,
    IterDataPipe,
    MapDataPipe,
)
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
    "DFIterDataPipe",
    "DataChunk",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterDataPipe",
    "IterableDataset",
    "MapDataPipe",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "_DatasetKind",
    "argument_validation",
    "default_collate",
    "default_convert",
    "functional_datapipe",
    "get_worker_info",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "prefetch_to_device",
    "random_split",
    "runtime_validation",
    "runtime_validation_disabled",
]
