"""DataPipes of samples in sequence."""

from torchcompat.utils.data.datapipes.datapipe import IterDataPipe
from torchcompat.utils.data.datapipes.iter.callable import CollatorIterDataPipe as Collator
from torchcompat.utils.data.datapipes.iter.callable import MapperIterDataPipe as Mapper
from torchcompat.utils.data.datapipes.iter.combinatorics import SamplerIterDataPipe as Sampler
from torchcompat.utils.data.datapipes.iter.combinatorics import ShufflerIterDataPipe as Shuffler
from torchcompat.utils.data.datapipes.iter.combining import ConcaterIterDataPipe as Concater
from torchcompat.utils.data.datapipes.iter.combining import (
    DemultiplexerIterDataPipe as Demultiplexer,
)
from torchcompat.utils.data.datapipes.iter.combining import ForkerIterDataPipe as Forker
from torchcompat.utils.data.datapipes.iter.combining import MultiplexerIterDataPipe as Multiplexer
from torchcompat.utils.data.datapipes.iter.combining import ZipperIterDataPipe as Zipper
from torchcompat.utils.data.datapipes.iter.filelister import FileListerIterDataPipe as FileLister
from torchcompat.utils.data.datapipes.iter.fileopener import FileOpenerIterDataPipe as FileOpener
from torchcompat.utils.data.datapipes.iter.grouping import BatcherIterDataPipe as Batcher
from torchcompat.utils.data.datapipes.iter.grouping import GrouperIterDataPipe as Grouper
from torchcompat.utils.data.datapipes.iter.grouping import UnBatcherIterDataPipe as UnBatcher
from torchcompat.utils.data.datapipes.iter.selecting import FilterIterDataPipe as Filter
from torchcompat.utils.data.datapipes.iter.sharding import (
    ShardingFilterIterDataPipe as ShardingFilter,
)
from torchcompat.utils.data.datapipes.iter.utils import (
    IterableWrapperIterDataPipe as IterableWrapper,
)

__all__ = [
    "Batcher",
    "Collator",
    "Concater",
    "Demultiplexer",
    "FileLister",
    "FileOpener",
    "Filter",
    "Forker",
    "Grouper",
    "IterDataPipe",
    "IterableWrapper",
    "Mapper",
    "Multiplexer",
    "Sampler",
    "ShardingFilter",
    "Shuffler",
    "UnBatcher",
    "Zipper",
]
