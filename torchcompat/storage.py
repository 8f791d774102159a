"""`torch.storage`: the memory behind tensors."""

from torchcompat._tensor._storage import TypedStorage, UntypedStorage
from torchcompat._tensor._storage_classes import _LegacyStorage as _LegacyStorage

__all__ = ["TypedStorage", "UntypedStorage"]
