"""`GradientEdge`: a place in the graph, held without its tensor."""

from __future__ import annotations

from typing import NamedTuple

from torchcompat._tensor import Tensor
from torchcompat._tensor._nodes import GraphNode, edge_of


class GradientEdge(NamedTuple):
    """One output of one node; stands for a tensor in `grad` and `backward`.

    Args:
        node: the node.
        output_nr: which of its outputs.
    """

    node: GraphNode
    output_nr: int
    ownership_token: object = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place of `tensor` in the graph.

    Raises:
        RuntimeError: the tensor needs no gradient.
    """
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(*edge)
