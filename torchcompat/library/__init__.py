"""`torch.library`: ops of one's own, by name."""

from torchcompat.library._custom import (
    CustomOpDef,
    Library,
    custom_op,
    define,
    get_ctx,
    impl,
    register_autocast,
    register_autograd,
    register_fake,
    register_kernel,
    register_torch_dispatch,
    register_vmap,
)
from torchcompat.library._rest import (
    capture_triton,
    fallthrough_kernel,
    get_kernel,
    opcheck,
    triton_op,
    wrap_triton,
)
from torchcompat.library._schema import infer_schema

impl_abstract = register_fake

__all__ = [
    "CustomOpDef",
    "Library",
    "capture_triton",
    "custom_op",
    "define",
    "fallthrough_kernel",
    "get_ctx",
    "get_kernel",
    "impl",
    "impl_abstract",
    "infer_schema",
    "opcheck",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_torch_dispatch",
    "register_vmap",
    "triton_op",
    "wrap_triton",
]
