"""`torch.utils.data.datapipes`: datasets that are chained by methods."""

from torchcompat.utils.data.datapipes import iter as iter
from torchcompat.utils.data.datapipes import map as map
