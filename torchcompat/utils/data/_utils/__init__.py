"""What `DataLoader` is made of."""

from torchcompat.utils.data._utils import collate as collate
from torchcompat.utils.data._utils import fetch as fetch
from torchcompat.utils.data._utils import worker as worker
from torchcompat.utils.data._utils.worker import (
    MP_STATUS_CHECK_INTERVAL as MP_STATUS_CHECK_INTERVAL,
)
