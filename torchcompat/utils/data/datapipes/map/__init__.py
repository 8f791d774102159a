"""DataPipes of samples by index."""

from torchcompat.utils.data.datapipes.datapipe import MapDataPipe
from torchcompat.utils.data.datapipes.map.callable import MapperMapDataPipe as Mapper
from torchcompat.utils.data.datapipes.map.combinatorics import ShufflerIterDataPipe as Shuffler
from torchcompat.utils.data.datapipes.map.combining import ConcaterMapDataPipe as Concater
from torchcompat.utils.data.datapipes.map.combining import ZipperMapDataPipe as Zipper
from torchcompat.utils.data.datapipes.map.grouping import BatcherMapDataPipe as Batcher
from torchcompat.utils.data.datapipes.map.utils import SequenceWrapperMapDataPipe as SequenceWrapper

__all__ = [
    "Batcher",
    "Concater",
    "MapDataPipe",
    "Mapper",
    "SequenceWrapper",
    "Shuffler",
    "Zipper",
]
