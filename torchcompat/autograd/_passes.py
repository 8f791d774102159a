"""`backward` and `grad`: one pass through the recorded graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchcompat._tensor import Size, Tensor, _engine, ops
from torchcompat._tensor._nodes import Accumulate, Edge, edge_of
from torchcompat.autograd._edges import GradientEdge

_Several = Tensor | GradientEdge | Sequence


def _listed(x: Any) -> list:
    return [x] if isinstance(x, (Tensor, GradientEdge)) else list(x)


def _several(x: Any, count: int) -> list:
    if x is None:
        return [None] * count
    found = [x] if isinstance(x, Tensor) else list(x)
    if len(found) != count:
        raise RuntimeError(f"got {count} tensors and {len(found)} gradients")
    return found


def backward(
    tensors: _Several,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: _Several | None = None,
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
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    outputs = _listed(tensors)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is not None and not _listed(inputs):
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = _engine.roots(outputs, _several(grad_tensors, len(outputs)))
    if inputs is None:
        _engine.run(roots, keep, create_graph)
        return
    inputs = _listed(inputs)
    if any(isinstance(t, Tensor) and not t.requires_grad for t in inputs):
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    found = _engine.run(roots, keep, create_graph, list(map(_wanted_edge, inputs)), True)
    for tensor, gradient in zip(inputs, found):
        inner = isinstance(tensor, Tensor) and not tensor.is_leaf
        if inner and gradient is not None:
            Accumulate(tensor).accumulate(gradient, create_graph)


def grad(
    outputs: _Several,
    inputs: _Several,
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
        is_grads_batched: the first dimension of each of `grad_outputs` counts vectors; the results
            have it too.
        materialize_grads: return zeros for an unused input instead.

    Raises:
        RuntimeError: an input was not used (unless allowed), or needs no gradient.
        ValueError: `materialize_grads` without allowing unused inputs.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    outs, ins = _listed(outputs), _listed(inputs)
    if not ins:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    keep = create_graph if retain_graph is None else retain_graph
    gradients = _several(grad_outputs, len(outs))
    rows = _unstacked(outs, gradients) if is_grads_batched else [gradients]
    roots = [_engine.roots(outs, row) for row in rows]
    edges = [_wanted_edge(t) for t in ins]
    last = len(roots) - 1
    several = [
        _engine.run(one, keep or i < last, create_graph, edges) for i, one in enumerate(roots)
    ]
    found = list(map(_stacked, zip(*several))) if is_grads_batched else several[0]
    if materialize_grads:
        if any(g is None and isinstance(t, GradientEdge) for t, g in zip(ins, found)):
            raise RuntimeError(
                "materialize_grads cannot be used when the given input is a GradientEdge"
            )
        found = [
            t.new_zeros(t.shape, requires_grad=create_graph) if g is None else g
            for t, g in zip(ins, found)
        ]
    elif not allow_unused and any(g is None for g in found):
        index = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(
            f"The differentiated Tensor at index {index} appears to not have been "
            "used in the graph. Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


def _calculate_shape(output: Any, grad: Tensor, is_grads_batched: bool) -> tuple[Size, Size]:
    """The size of an output, and of its gradient (of one row of batched gradients)."""
    shape = output.shape if isinstance(output, Tensor) else _engine.placed(output)[1]
    return shape, grad.shape[1:] if is_grads_batched else grad.shape


def _unstacked(outs: list, gradients: list) -> list[list]:
    """The rows of batched gradients: one pass each."""
    for i, (out, g) in enumerate(zip(outs, gradients)):
        if g is None:
            continue
        want, got = _calculate_shape(out, g, True)
        if got != want:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as "
                "the batch dimension. The sizes of the remaining dimensions are expected to match the "
                "shape of corresponding output, but a mismatch was detected: "
                f"grad_output[{i}] has a shape of {g.shape[2:]} and output[{i}] has a shape of "
                f"{want}. If you only want some tensors in `grad_output` to be considered "
                "batched, consider using vmap."
            )
    count = next(g.shape[0] for g in gradients if g is not None)
    return [[None if g is None else g[i] for g in gradients] for i in range(count)]


def _stacked(column: tuple) -> Tensor | None:
    return None if column[0] is None else ops.stack(list(column))


def _wanted_edge(tensor: Any) -> Any:
    if isinstance(tensor, GradientEdge):
        return Edge(tensor.node, tensor.output_nr)
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge
