"""`torch.autograd`: gradients by the recorded graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import Tensor, _engine
from torchcompat._tensor._autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from torchcompat._tensor._nodes import Accumulate, accumulator, add_hook, edge_of
from torchcompat.utils.hooks import RemovableHandle

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]


def _several(x: Any, count: int) -> list:
    if x is None:
        return [None] * count
    found = [x] if isinstance(x, Tensor) else list(x)
    if len(found) != count:
        raise RuntimeError(f"got {count} tensors and {len(found)} gradients")
    return found


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds to the `.grad` of every leaf the gradient of the sum of `tensors`.

    Args:
        tensors: what is differentiated.
        grad_tensors: the vector of the vector-Jacobian product, for each tensor; None for a scalar.
        retain_graph: keep what the graph saved, for another pass. Default: as `create_graph`.
        create_graph: record this pass, so that the gradients can be differentiated.
        inputs: accumulate into these tensors only.

    Raises:
        RuntimeError: a tensor needs no gradient, is no scalar, or its graph has been freed.
    """
    if grad_variables is not None:
        grad_tensors = grad_variables if grad_tensors is None else grad_tensors
    outputs = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    keep = create_graph if retain_graph is None else retain_graph
    gradients = _several(grad_tensors, len(outputs))
    if inputs is None:
        _engine.run(outputs, gradients, keep, create_graph)
        return
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    edges = [_wanted_edge(t) for t in inputs]
    found = _engine.run(outputs, gradients, keep, create_graph, edges)
    for tensor, gradient in zip(inputs, found):
        if gradient is not None:
            Accumulate(tensor).accumulate(gradient, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of `outputs` with respect to `inputs`; nothing is accumulated.

    Args:
        allow_unused: return None for an input that the outputs do not depend on.
        materialize_grads: return zeros for it instead.

    Raises:
        RuntimeError: an input was not used (unless allowed), or needs no gradient.
    """
    if is_grads_batched:
        raise NotImplementedError("grad(): is_grads_batched=True")
    outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    ins = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    keep = create_graph if retain_graph is None else retain_graph
    edges = [_wanted_edge(t) for t in ins]
    found = _engine.run(outs, _several(grad_outputs, len(outs)), keep, create_graph, edges)
    if materialize_grads:
        found = [t.new_zeros(t.shape) if g is None else g for t, g in zip(ins, found)]
    elif not allow_unused and None in found:
        raise RuntimeError(
            f"The differentiated Tensor at index {found.index(None)} appears to not have been "
            "used in the graph. Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


def _wanted_edge(tensor: Tensor) -> Any:
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


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

    def keep(gradient: Tensor) -> None:
        before = self.grad
        self._grad = gradient if before is None else before + gradient

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


Tensor.backward = _backward
Tensor.register_hook = _register_hook
Tensor.retain_grad = _retain_grad
Tensor.register_post_accumulate_grad_hook = _register_post_accumulate_grad_hook
Tensor.retains_grad = property(lambda self: bool(self.__dict__.get("_retains_grad")))
