"""What autograd attaches to Tensor: `backward` and hooks."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torchcompat._dtype import dtype
from torchcompat._tensor import Tensor, _grads
from torchcompat._tensor._nodes import Accumulate, accumulator, add_hook, edge_of
from torchcompat.autograd._passes import backward
from torchcompat.utils.hooks import RemovableHandle


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds the gradient of this tensor to the `.grad` of every leaf. See `autograd.backward`."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def _add_hook(tensor: Tensor, hook: Callable) -> RemovableHandle:
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    handle = add_hook(edge.node.hooks_of(edge.output), hook)
    if isinstance(edge.node, Accumulate):
        # The leaf keeps its node, and so its hooks, alive.
        tensor.__dict__["_accumulator"] = edge.node
    return handle


def _register_hook(self: Tensor, hook: Callable) -> RemovableHandle:
    """Calls `hook(gradient)` whenever this tensor's gradient is computed; a result replaces it."""
    return _add_hook(self, hook)


def _retain_grad(self: Tensor) -> None:
    """Has this tensor's gradient kept in `.grad` although it is no leaf."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self.is_leaf or self.__dict__.get("_retains_grad"):
        return
    self.__dict__["_retains_grad"] = True

    held = weakref.ref(self)

    def keep(gradient: Tensor) -> None:
        tensor = held()
        if tensor is not None:
            before = tensor.grad  # `retains_grad` is set: no warning
            tensor._grad = gradient if before is None else before + gradient

    edge = edge_of(self)
    edge.node.hung().keepers[edge.output] = keep


def _register_post_accumulate_grad_hook(self: Tensor, hook: Callable) -> RemovableHandle:
    """Calls `hook(tensor)` after a gradient has been added to this leaf's `.grad`."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    node = self.__dict__["_accumulator"] = accumulator(self)
    return add_hook(node.finished, hook)


def _backward_hooks(self: Tensor) -> Any:
    """The hooks that see this tensor's gradient, by their handles' numbers, or None."""
    edge = edge_of(self)
    if edge is None:
        return self.__dict__.get("_idle_hooks")
    extra = edge.node.extra
    return None if extra is None else extra.hooks.get(edge.output)


def _post_accumulate_grad_hooks(self: Tensor) -> Any:
    """The hooks that are called after a gradient was added to this leaf's, or None."""
    node = self.__dict__.get("_accumulator")
    return None if node is None else node.finished or None


def _view_func(self: Tensor, new_base: Tensor) -> Tensor:
    """This view of another base.

    Args:
        new_base: of the base's size, in row-major order.
    """
    return new_base.as_strided(*self._layout_now())


def _grad_dtype(self: Tensor) -> Any:
    """The type that this leaf's gradients are kept in, or None: as they come."""
    if not self.is_leaf:
        raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
    return _grads.dtype_of(self)


def _set_grad_dtype(self: Tensor, kind: Any) -> None:
    if kind is not None and not isinstance(kind, dtype):
        raise RuntimeError(
            f"grad_dtype must be a torch.dtype or None, but got {type(kind).__name__}"
        )
    if not self.is_leaf:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    self.__dict__["_grad_dtype"] = kind


Tensor.grad_dtype = property(_grad_dtype, _set_grad_dtype)


def _set_backward_hooks(self: Tensor, hooks: Any) -> None:
    edge = edge_of(self)
    if edge is None:
        self.__dict__["_idle_hooks"] = hooks
    else:
        edge.node.hung().hooks[edge.output] = OrderedDict() if hooks is None else hooks


def _delete_backward_hooks(self: Tensor) -> None:
    raise RuntimeError("Deletion of _backwards_hooks not allowed!")


Tensor._backward_hooks = property(_backward_hooks, _set_backward_hooks, _delete_backward_hooks)
Tensor._post_accumulate_grad_hooks = property(_post_accumulate_grad_hooks)
Tensor._view_func = Tensor._view_func_unsafe = _view_func
Tensor.backward = _backward
Tensor.register_hook = _register_hook
Tensor.retain_grad = _retain_grad
Tensor.register_post_accumulate_grad_hook = _register_post_accumulate_grad_hook
Tensor.retains_grad = property(lambda self: bool(self.__dict__.get("_retains_grad")))
