"""torch.nn.attention: which kernel attention runs on, causal biases, and attention with own scores."""

from torchcompat.nn.attention import bias as bias
from torchcompat.nn.attention import flex_attention as flex_attention
from torchcompat.nn.attention import varlen as varlen
from torchcompat.nn.attention._backends import WARN_FOR_UNFUSED_KERNELS as WARN_FOR_UNFUSED_KERNELS
from torchcompat.nn.attention._backends import SDPBackend as SDPBackend
from torchcompat.nn.attention._backends import (
    _cur_sdpa_kernel_backends as _cur_sdpa_kernel_backends,
)
from torchcompat.nn.attention._backends import sdpa_kernel as sdpa_kernel
from torchcompat.nn.attention._implementations import (
    activate_flash_attention_impl as activate_flash_attention_impl,
)
from torchcompat.nn.attention._implementations import (
    current_flash_attention_impl as current_flash_attention_impl,
)
from torchcompat.nn.attention._implementations import (
    list_flash_attention_impls as list_flash_attention_impls,
)
from torchcompat.nn.attention._implementations import (
    register_flash_attention_impl as register_flash_attention_impl,
)
from torchcompat.nn.attention._implementations import (
    restore_flash_attention_impl as restore_flash_attention_impl,
)

__all__ = [
    "SDPBackend",
    "sdpa_kernel",
    "WARN_FOR_UNFUSED_KERNELS",
    "register_flash_attention_impl",
    "activate_flash_attention_impl",
    "list_flash_attention_impls",
    "current_flash_attention_impl",
    "restore_flash_attention_impl",
]
