"""`torch._C._functorch`: what can be asked of a tensor inside `vmap`."""

from torchcompat._tensor import Tensor

__all__ = ["is_batchedtensor", "is_legacy_batchedtensor"]


def is_batchedtensor(tensor: Tensor) -> bool:
    """Whether the tensor stands for many under `vmap`."""
    return hasattr(tensor._cell.value, "batch_dim")


def is_legacy_batchedtensor(tensor: Tensor) -> bool:
    """False: there is one `vmap`."""
    return False
