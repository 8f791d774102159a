"""`replace_pattern`: finds parts of a graph that look like one function and puts another in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torchcompat import nn
from torchcompat.fx._attributes import _assign_attr, _has_attr
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx._symbolic_trace import symbolic_trace
from torchcompat.fx.graph import Graph
from torchcompat.fx.graph_module import GraphModule
from torchcompat.fx.node import Node

__all__ = ["Match", "replace_pattern"]


@compatibility(is_backward_compatible=True)
class Match(NamedTuple):
    """One place where the pattern was found.

    Attributes:
        anchor: the last node of the place.
        nodes_map: for each node of the pattern, the graph's.
    """

    anchor: Node
    nodes_map: dict[Node, Any]


@compatibility(is_backward_compatible=True)
def replace_pattern(
    gm: GraphModule, pattern: Callable | GraphModule, replacement: Callable | GraphModule
) -> list[Match]:
    """Replaces every part of the graph that looks like `pattern` by `replacement`.

    Both take the same arguments. Parts that overlap an earlier one, or whose inner values are used
    elsewhere, are left.

    Returns:
        The places where the pattern was found.
    """
    shape, new = _graph_of(pattern), _graph_of(replacement)
    matches = _found(gm.graph, shape)
    renamed: dict[Node, Any] = {}
    for match in matches:
        _replace(gm.graph, match, shape, new, renamed)
    gm.recompile()
    if isinstance(replacement, nn.Module):
        _take_attributes(gm, replacement)
    return matches


def _graph_of(one: Any) -> Graph:
    return one.graph if isinstance(one, GraphModule) else symbolic_trace(one).graph


def _found(graph: Graph, pattern: Graph) -> list[Match]:
    """The places where the pattern is, first ones first, none of which overlap."""
    result = pattern.output_node().args[0]
    ends = list(result) if isinstance(result, (tuple, list)) else [result]
    matches: list[Match] = []
    taken: set[Node] = set()
    for node in graph.nodes:
        found: dict[Node, Any] = {}
        if not _same(ends[-1], node, found):
            continue
        if not all(_placed(end, graph, found) for end in ends[:-1]):
            continue
        inner = {n for p, n in found.items() if p.op not in ("placeholder", "get_attr")}
        kept = {found[end] for end in ends}
        if inner & taken or not _is_closed(inner, kept):
            continue
        taken |= inner
        matches.append(Match(node, found))
    return matches


def _placed(end: Node, graph: Graph, found: dict[Node, Any]) -> bool:
    """Finds a place for another output of the pattern that fits what is found."""
    if end in found:
        return True
    for node in graph.nodes:
        trial = dict(found)
        if _same(end, node, trial):
            found.update(trial)
            return True
    return False


def _is_closed(inner: set[Node], ends: set[Node]) -> bool:
    return all(user in inner for node in inner - ends for user in node.users)


def _same(pattern: Any, node: Any, found: dict[Node, Any]) -> bool:
    """Whether a value of the graph looks like one of the pattern, noting which node is which."""
    if not isinstance(pattern, Node):
        return _same_value(pattern, node, found)
    if pattern in found:
        return found[pattern] is node
    if pattern.op == "placeholder":
        found[pattern] = node
        return True
    if not isinstance(node, Node) or node in found.values():
        return False
    if pattern.op != node.op or pattern.target != node.target:
        return False
    found[pattern] = node
    return _same_value(pattern.args, node.args, found) and _same_value(
        dict(pattern.kwargs), dict(node.kwargs), found
    )


def _same_value(pattern: Any, value: Any, found: dict[Node, Any]) -> bool:
    if isinstance(pattern, (tuple, list)):
        if not isinstance(value, (tuple, list)) or len(pattern) != len(value):
            return False
        return all(_same(p, v, found) for p, v in zip(pattern, value))
    if isinstance(pattern, dict):
        if not isinstance(value, dict) or pattern.keys() != value.keys():
            return False
        return all(_same(p, value[k], found) for k, p in pattern.items())
    return not isinstance(value, Node) and type(pattern) is type(value) and pattern == value


def _replace(
    graph: Graph, match: Match, pattern: Graph, new: Graph, renamed: dict[Node, Any]
) -> None:
    """Puts the replacement in one place.

    Args:
        renamed: what took the place of nodes that earlier replacements removed; added to.
    """
    values: dict[Node, Any] = {}
    old_inputs = [n for n in pattern.nodes if n.op == "placeholder"]
    new_inputs = [n for n in new.nodes if n.op == "placeholder"]
    for old, fresh in zip(old_inputs, new_inputs):
        value = match.nodes_map.get(old)
        values[fresh] = renamed.get(value, value) if isinstance(value, Node) else value
    inner = [n for p, n in match.nodes_map.items() if p.op != "placeholder"]
    with graph.inserting_before(max(inner)):
        made = graph.graph_copy(new, values)
    results = made if isinstance(made, (tuple, list)) else [made]
    result = pattern.output_node().args[0]
    ends = result if isinstance(result, (tuple, list)) else [result]
    for end, value in zip(ends, results):
        old = match.nodes_map[end]
        old.replace_all_uses_with(value)
        renamed[old] = value
    for node in sorted(inner, reverse=True):
        if not node.users:
            graph.erase_node(node)


def _take_attributes(gm: GraphModule, source: nn.Module) -> None:
    """Gives the module what nodes of the replacement name."""
    gm.delete_all_unused_submodules()
    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr") or _has_attr(gm, str(node.target)):
            continue
        if not _has_attr(source, str(node.target)):
            raise RuntimeError(
                f"Attempted to create a '{node.op}' node during subgraph rewriting with target "
                f"{node.target}, but the referenced attribute does not exist in the replacement "
                "GraphModule"
            )
        value: Any = source
        for part in str(node.target).split("."):
            value = getattr(value, part)
        _assign_attr(value, gm, str(node.target))
