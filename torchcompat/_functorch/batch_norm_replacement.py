"""`replace_all_batch_norm_modules_` under functorch's module name."""

from torchcompat.func import replace_all_batch_norm_modules_

__all__ = ["replace_all_batch_norm_modules_"]
