"""Graph rewritings for inference: BatchNorm into convolutions, Dropout out."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from torchcompat import nn
from torchcompat.fx._symbolic_trace import Tracer, symbolic_trace
from torchcompat.fx.graph_module import GraphModule
from torchcompat.fx.node import Node
from torchcompat.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fuse", "matches_module_pattern", "remove_dropout", "replace_node_module"]

_PATTERNS = (
    (nn.Conv1d, nn.BatchNorm1d),
    (nn.Conv2d, nn.BatchNorm2d),
    (nn.Conv3d, nn.BatchNorm3d),
)


def _parent_name(target: str) -> tuple[str, str]:
    """The path of an attribute's owner, and its name there."""
    parent, _, name = target.rpartition(".")
    return parent, name


def matches_module_pattern(pattern: Iterable[type], node: Node, modules: dict[str, Any]) -> bool:
    """Whether a node and the one before it call modules of these two types."""
    if not node.args:
        return False
    for current, expected in zip((node.args[0], node), pattern):
        if not isinstance(current, Node) or current.op != "call_module":
            return False
        if type(modules.get(str(current.target))) is not expected:
            return False
    return True


def replace_node_module(node: Node, modules: dict[str, Any], new_module: nn.Module) -> None:
    """Has a node call another module, which is put in the old one's place."""
    parent, name = _parent_name(str(node.target))
    modules[str(node.target)] = new_module
    setattr(modules[parent], name, new_module)


def fuse(model: nn.Module, inplace: bool = False, no_trace: bool = False) -> nn.Module:
    """Folds every BatchNorm that follows a convolution into it; the model must be in eval mode.

    Args:
        inplace: changes the model itself and not a copy.
        no_trace: the model is a GraphModule already and is not traced again.
    """
    model = model if inplace else copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, GraphModule) else symbolic_trace(model)
    modules = dict(traced.named_modules())
    graph = copy.deepcopy(traced.graph)
    for pattern in _PATTERNS:
        for node in graph.nodes:
            if not matches_module_pattern(pattern, node, modules):
                continue
            if len(node.args[0].users) > 1:  # the convolution's own result is used too
                continue
            norm = modules[str(node.target)]
            if not norm.track_running_stats:
                continue
            fused = fuse_conv_bn_eval(modules[str(node.args[0].target)], norm)
            replace_node_module(node.args[0], modules, fused)
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return GraphModule(traced, graph)


def remove_dropout(model: nn.Module) -> nn.Module:
    """The model without its Dropout modules."""
    graph = Tracer().trace(model)
    modules = dict(model.named_modules())
    for node in list(graph.nodes):
        if node.op == "call_module" and isinstance(modules[str(node.target)], nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return GraphModule(model, graph)
