"""`torch.autograd`: gradients by the recorded graph."""

from torchcompat._tensor._autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from torchcompat.autograd import _methods as _methods
from torchcompat.autograd import function as function
from torchcompat.autograd._passes import backward, grad
from torchcompat.autograd.function import Function, NestedIOFunction

__all__ = [
    "Function",
    "NestedIOFunction",
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]
