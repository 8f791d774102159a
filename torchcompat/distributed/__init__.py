"""`torch.distributed`: one process, and answers that say so."""

from torchcompat.distributed import _single
from torchcompat.distributed._single import *  # noqa: F403
from torchcompat.distributed.device_mesh import DeviceMesh, init_device_mesh

__all__ = ["DeviceMesh", "_single", "init_device_mesh"]
