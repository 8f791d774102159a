"""`torch.storage`: the memory behind tensors."""

from torchcompat._tensor._storage import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
