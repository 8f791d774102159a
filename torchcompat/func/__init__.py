"""`torch.func`: JAX's transformations of functions, on Tensors and on arrays."""

from torchcompat.func._batch_norm import replace_all_batch_norm_modules_
from torchcompat.func._derivatives import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from torchcompat.func._functional_call import functional_call
from torchcompat.func._functionalize import functionalize
from torchcompat.func._stack import stack_module_state
from torchcompat.func._vmap import vmap

__all__ = [
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
