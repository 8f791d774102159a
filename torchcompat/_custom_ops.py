"""`torch._custom_ops`: older names of `torch.library`."""

from torchcompat.library import custom_op, get_ctx, impl, impl_abstract

__all__ = ["custom_op", "get_ctx", "impl", "impl_abstract"]
